"""What the server and the command line share: the database, the tenants and what answers for them.

`open_runtime(settings)` is the one place where clients, handlers and stores are made and wired. Nothing is
created at import; what is expensive (the LLM library, the vector index) is loaded when it is first needed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aiohttp import web
from sqlalchemy import select

from bot.assistant import Assistant
from bot.config import Settings
from bot.crm.client import CrmClient
from bot.crm.mock import PREFIX, MockCrm
from bot.deadline import CLOSE_SECONDS, within
from bot.loopback import loopback_site
from bot.metrics import Metrics
from bot.platforms.services import Services
from bot.reached import Reached
from bot.seal import Sealer, load_sealer
from bot.steady_clock import SteadyClock
from bot.usage import UsageCounter
from bot.writer import LlmWriter
from db.engine import Database
from db.insert_new import insert_new
from db.migrate import migrate
from db.models import Schedule, Tenant
from handlers.classify import IntentClassifier
from handlers.crm import Crm
from handlers.crm_executor import LEASE as LAUNCH_LEASE
from handlers.crm_executor import CrmExecutor
from handlers.every import HandlerParts, build_router
from handlers.intents import Handler
from handlers.router import Router
from knowledge.catalogue import load_catalogue
from knowledge.document_files import read_documents
from knowledge.drafts import Drafts
from knowledge.embedding import HashingEmbedder
from knowledge.knowledge_base import KbStore
from knowledge.library import Library
from knowledge.llm import Llm
from knowledge.question_parser import QuestionParser
from knowledge.weather import WeatherSource
from knowledge.weather_cache import CachedWeather
from knowledge.weather_caiyun import CaiyunWeather
from knowledge.weather_sample import SampleWeather

NO_TENANT = "还没有任何企业的数据。先执行 daogou seed 生成演示数据，或在配置里加上 [tenants.xxx]。"
WHICH_TENANT = "有多家企业，请用 --tenant 指定：{keys}"
NOT_A_TENANT = "没有企业「{key}」，现有：{keys}"

# A launch looks up, creates, publishes and reads back, each read twice at most; its lease must outlast that.
CALLS_OF_A_LAUNCH = 6

Clock = Callable[[], datetime]


class NoTenant(Exception):
    """No tenant, or not a single one, is meant; the message says which there are."""


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class TenantParts:
    """What answers for one chain."""

    tenant_id: int
    key: str
    router: Router
    assistant: Assistant
    executor: CrmExecutor


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that answers, without a wire to any platform. `owner` names this process in leases."""

    settings: Settings
    database: Database
    metrics: Metrics
    library: Library
    llm: Llm | None
    weather: WeatherSource
    drafts: Drafts
    mock_crm: MockCrm | None
    owner: str
    clock: Clock
    steady: Clock
    sealer: Sealer
    usage: UsageCounter
    reached: Reached
    tenants: dict[str, TenantParts] = field(default_factory=dict)

    def tenant(self, key: str | None = None) -> TenantParts:
        """Return the chain of this key, or the only one; `NoTenant` when that is not clear."""
        keys = "、".join(self.tenants)
        if not self.tenants:
            raise NoTenant(NO_TENANT)
        if key is None and len(self.tenants) > 1:
            raise NoTenant(WHICH_TENANT.format(keys=keys))
        found = self.tenants.get(key) if key else next(iter(self.tenants.values()))
        if found is None:
            raise NoTenant(NOT_A_TENANT.format(key=key, keys=keys))
        return found

    def services(self, key: str) -> Services:
        """Return what the platforms of a tenant may use."""
        return Services(
            tenant_id=self.tenants[key].tenant_id,
            database=self.database,
            sealer=self.sealer,
            usage=self.usage,
            owner=self.owner,
            clock=self.clock,
            steady=self.steady,
            tenant=key,
        )

    async def write_counts(self) -> None:
        """Write what was counted since the last time; while the database is gone it is kept."""
        await asyncio.gather(self.usage.flush(), self.reached.flush())

    def router_of(self, tenant_id: int) -> Router:
        """Return the router of a tenant by its row id."""
        return next(parts.router for parts in self.tenants.values() if parts.tenant_id == tenant_id)


@asynccontextmanager
async def open_runtime(
    settings: Settings, clock: Clock = utc_now, own_handlers: Sequence[Handler] = ()
) -> AsyncIterator[Runtime]:
    """Open everything, bring the schema up to date, make the tenants of the settings, and close it all again.

    A `clock` that is given is also the one leases go by. `own_handlers` are asked before all others.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database.url.get_secret_value())
        stack.push_async_callback(within, CLOSE_SECONDS, database.close, "database")
        await migrate(database)
        steady = SteadyClock(clock) if clock is utc_now else clock
        if isinstance(steady, SteadyClock):
            await steady.follow(database)
        metrics = Metrics()
        library = Library(database, settings.knowledge.directory, settings.knowledge.model_directory)
        stack.push_async_callback(library.close)
        llm = _llm(settings, metrics)
        if llm is not None:
            stack.push_async_callback(llm.close)
        mock_crm, crm = await _crm(settings, stack)
        runtime = Runtime(
            settings=settings,
            database=database,
            metrics=metrics,
            library=library,
            llm=llm,
            weather=_weather(settings, clock, stack),
            drafts=Drafts(LlmWriter(llm) if llm else None),
            mock_crm=mock_crm,
            owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            clock=clock,
            steady=steady,
            sealer=load_sealer(_secret(settings), settings.state_directory),
            usage=UsageCounter(database, clock),
            reached=Reached(database, clock),
        )
        stack.push_async_callback(within, CLOSE_SECONDS, runtime.write_counts, "counts")
        await _ensure_tenants(runtime)
        await _wire_tenants(runtime, crm, own_handlers)
        yield runtime


def _secret(settings: Settings) -> str | None:
    key = settings.server.secret_key
    return key.get_secret_value() if key else None


def _llm(settings: Settings, metrics: Metrics) -> Llm | None:
    if settings.llm.api_key is None:
        return None
    return Llm(
        settings.llm.base_url,
        settings.llm.api_key.get_secret_value(),
        settings.llm.model,
        settings.llm.timeout_seconds,
        settings.llm.total_seconds,
        on_failure=lambda reason: metrics.llm_failures.labels(reason).inc(),
    )


async def _crm(settings: Settings, stack: AsyncExitStack) -> tuple[MockCrm | None, Crm]:
    """Return the CRM's client; without an address, of a mock on a loopback port of its own."""
    mock, base_url = None, settings.crm.base_url
    if not base_url:
        mock = MockCrm(settings.state_directory / "mock-crm.db")
        pretend = web.Application()
        mock.add_to(pretend)
        base_url = await stack.enter_async_context(loopback_site(pretend)) + PREFIX
    key = settings.crm.api_key.get_secret_value() if settings.crm.api_key else None
    client = CrmClient(base_url, key, settings.crm.timeout_seconds)
    stack.push_async_callback(client.close)
    return mock, client


def _weather(settings: Settings, clock: Clock, stack: AsyncExitStack) -> WeatherSource:
    weather = settings.weather
    if weather.provider == "sample" or weather.token is None:
        return SampleWeather()
    provider = CaiyunWeather(
        weather.token.get_secret_value(), base_url=weather.base_url, timeout_seconds=weather.timeout_seconds
    )
    cached = CachedWeather(provider, clock)
    stack.push_async_callback(cached.close)
    return cached


async def _ensure_tenants(runtime: Runtime) -> None:
    """Make a row, and its two schedules, for every tenant of the settings that has none."""
    for key, tenant in runtime.settings.tenants.items():
        values = {"key": key, "name": tenant.name or key, "created_at": runtime.clock()}
        async with runtime.database.write() as session:
            tenant_id = await insert_new(session, Tenant, values)
            if tenant_id is not None:
                schedule = runtime.settings.schedule
                for kind, at in (("morning", schedule.morning), ("evening", schedule.evening)):
                    session.add(Schedule(tenant_id=tenant_id, kind=kind, at=at))


async def _wire_tenants(runtime: Runtime, crm: Crm, own_handlers: Sequence[Handler]) -> None:
    parser = QuestionParser(load_catalogue())
    async with runtime.database.read() as session:
        tenants = (await session.scalars(select(Tenant).order_by(Tenant.id))).all()
    for tenant in tenants:
        executor = CrmExecutor(
            runtime.database,
            crm,
            Decimal(runtime.settings.crm.budget_limit),
            runtime.owner,
            runtime.clock,
            lease=max(LAUNCH_LEASE, CALLS_OF_A_LAUNCH * timedelta(seconds=runtime.settings.crm.timeout_seconds)),
        )
        router = build_router(
            HandlerParts(
                database=runtime.database,
                knowledge=runtime.library.of(tenant.id),
                parser=parser,
                executor=executor,
                weather=runtime.weather,
                drafts=runtime.drafts,
                classifier=IntentClassifier(runtime.llm) if runtime.llm else None,
                own=own_handlers,
            )
        )
        assistant = Assistant(runtime.database, tenant.id, router, runtime.clock)
        runtime.tenants[tenant.key] = TenantParts(tenant.id, tenant.key, router, assistant, executor)


async def load_knowledge(database: Database, tenant_key: str) -> int:
    """Bring the built-in documents into the rows of a tenant and return how many there are.

    The server fills the vector index from the rows once it runs.
    """
    async with database.read() as session:
        tenant_id = (await session.scalars(select(Tenant.id).where(Tenant.key == tenant_key))).one()
    documents = read_documents()
    await KbStore(database, tenant_id, HashingEmbedder()).load_documents(documents, utc_now())
    return len(documents)
