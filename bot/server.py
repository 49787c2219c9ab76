"""The composition root of the server: `build_app(settings)` wires everything and opens nothing before start-up.

Opened in this order and closed in reverse: demo stage, runtime (database, tenants), platforms, delivery and
dispatch, streams, the schedule's tick.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial

import anyio.to_thread
import structlog
from aiohttp import web

from bot.channels import Channels, open_channels
from bot.config import Settings
from bot.deadline import Deadline
from bot.platforms.base import Platform
from bot.runtime import Runtime, open_runtime, utc_now
from bot.sandbox.page import sandbox_routes
from bot.sandbox.personas import PLATFORMS, member_ids
from bot.sandbox.stage import DemoStage
from bot.schedule import open_schedule, push_for
from bot.web.admin import AdminLogin, set_up_admin
from bot.web.api import api_routes
from bot.web.errors import front_middleware
from bot.web.health import Readiness, health_routes
from bot.web.keys import key_check
from bot.wires import open_wires
from bot.worker import running
from bot.workers import open_workers
from handlers.intents import Handler

log = structlog.get_logger()

MAX_BODY = 64 * 1024
DEMO_TENANT = "demo"

ADMIN: web.AppKey[AdminLogin] = web.AppKey("admin", AdminLogin)
RUNTIME: web.AppKey[Runtime] = web.AppKey("runtime", Runtime)
STAGE: web.AppKey[DemoStage] = web.AppKey("stage", DemoStage)
READINESS: web.AppKey[Readiness] = web.AppKey("readiness", Readiness)
DEADLINE: web.AppKey[Deadline] = web.AppKey("deadline", Deadline)

Clock = Callable[[], datetime]


def build_app(settings: Settings, clock: Clock = utc_now, own_handlers: Sequence[Handler] = ()) -> web.Application:
    """Return the application; its resources open when it starts and close when it stops.

    `own_handlers` are an installation's own, asked before all others.
    """
    keys = key_check(settings.server, demo_tenant=DEMO_TENANT if settings.demo else None)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[front_middleware(keys)])
    app[ADMIN] = AdminLogin()
    app[READINESS] = Readiness()
    app[DEADLINE] = Deadline(settings.server.drain_seconds)
    app.cleanup_ctx.append(partial(_compose, settings, clock, own_handlers))
    return app


async def _compose(
    settings: Settings, clock: Clock, own_handlers: Sequence[Handler], app: web.Application
) -> AsyncIterator[None]:
    """Open and wire everything; routes are added here, before aiohttp freezes the app."""
    async with AsyncExitStack() as stack:
        stage = await _open_stage(settings, stack)
        if stage is not None:
            app[STAGE] = stage
            tenants = {**settings.tenants, DEMO_TENANT: stage.tenant_settings()}
            settings = settings.model_copy(update={"tenants": tenants})
        runtime = await stack.enter_async_context(open_runtime(settings, clock, own_handlers))
        app[RUNTIME] = runtime
        await _open_all(app, runtime, stage, stack)
        runtime.metrics.ready.set(1)
        await stack.enter_async_context(running(_warm_up(runtime)))
        yield
        runtime.metrics.ready.set(0)


async def _warm_up(runtime: Runtime) -> None:
    """Load, once the server answers, what would make the first question of its kind slow."""
    try:
        await anyio.to_thread.run_sync(importlib.import_module, "sqlglot")
        await runtime.library.warm_up()
        if runtime.llm is not None:
            await runtime.llm.warm_up()
    except Exception:
        # A first question that is slow is no reason to stop; what is broken will say so when it is used.
        log.exception("server.warm_up_failed")


async def _open_stage(settings: Settings, stack: AsyncExitStack) -> DemoStage | None:
    if not settings.demo:
        return None
    stage = DemoStage(settings.state_directory / "sandbox")
    stack.push_async_callback(stage.close)
    await stage.open()
    return stage


async def _open_all(app: web.Application, runtime: Runtime, stage: DemoStage | None, stack: AsyncExitStack) -> None:
    """Start the workers before what feeds them, so that nothing waits for a part that is not there."""
    channels = _channels(runtime, stack)
    workers = await stack.enter_async_context(open_workers(runtime, channels, app[DEADLINE]))
    await stack.enter_async_context(open_wires(app, runtime, channels, workers.receive))
    await stack.enter_async_context(open_schedule(runtime, workers.ring_delivery))
    _add_routes(app, runtime)
    if stage is not None:
        await _set_the_stage(app, runtime, stage, workers.ring_delivery)


async def _set_the_stage(
    app: web.Application, runtime: Runtime, stage: DemoStage, ring_delivery: Callable[[], None]
) -> None:
    """Give everybody who works in the demo chain a phone, and show the phones."""
    tenant_id = runtime.tenant(DEMO_TENANT).tenant_id
    wecom, dingtalk = [await member_ids(runtime.database, tenant_id, name) for name in PLATFORMS]
    stage.invite(wecom, dingtalk)
    push = push_for(runtime, tenant_id, ring_delivery)
    app.router.add_routes(sandbox_routes(stage, runtime.database, tenant_id, push))
    app.router.add_get("/", _to_the_sandbox)
    app.on_shutdown.append(stage.hush)


async def _to_the_sandbox(_request: web.Request) -> web.StreamResponse:
    """Take whoever opens the bare address to the phones."""
    raise web.HTTPFound("/sandbox")


def _channels(runtime: Runtime, stack: AsyncExitStack) -> Channels:
    """Return every configured account by tenant id and channel name."""
    platforms: dict[tuple[int, str], Platform] = {}
    for key, tenant in runtime.settings.tenants.items():
        platforms |= open_channels(tenant, runtime.services(key))
    for platform in platforms.values():
        stack.push_async_callback(platform.close)
    return platforms


def _add_routes(app: web.Application, runtime: Runtime) -> None:
    assistants = {key: parts.assistant for key, parts in runtime.tenants.items()}
    executors = {key: parts.executor for key, parts in runtime.tenants.items()}
    app.router.add_routes(health_routes(runtime.database, runtime.metrics, app[READINESS]))
    app.router.add_routes(api_routes(assistants, executors, runtime.metrics))
    set_up_admin(app, app[ADMIN], runtime.database)
    if runtime.mock_crm is not None:
        runtime.mock_crm.add_to(app)
