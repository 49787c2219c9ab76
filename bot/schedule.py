"""The tick: APScheduler calls it every half minute in every replica; what is due is a query, not a timer.

Two replicas that tick at once queue nothing twice, because the outbox row's unique key decides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import select

from bot.runtime import Runtime
from db.models import StaffStore, Store, Tenant
from handlers.clock import business_now
from handlers.people import find_person
from jobs import PUSHES
from jobs.due import PushKind, Slot
from jobs.push import PushOrder, PushParts, PushResult
from jobs.tick import run_due

log = structlog.get_logger()

PUSH_BY_HAND_EXPIRES = timedelta(hours=2)
NO_STORE = "这个人没有门店，没有推送可发"
PUSHED = "已发出 {queued} 条，请看手机"
ALREADY = "今天已经发过了，不会重复发"
NOTHING = "没有要提醒的，今天的任务都完成了"


@asynccontextmanager
async def open_schedule(runtime: Runtime, ring_delivery: Callable[[], None]) -> AsyncIterator[None]:
    """Tick while the block runs."""
    settings = runtime.settings.schedule
    if not settings.enabled:
        yield
        return
    parts = push_parts(runtime)
    times: dict[PushKind, str] = {"morning": settings.morning, "evening": settings.evening}
    finished: set[Slot] = set()

    async def tick() -> None:
        results = await run_due(parts, runtime.clock(), default_times=times, finished=finished)
        _count(runtime, results)
        if any(result.queued for result in results):
            ring_delivery()

    scheduler = AsyncIOScheduler(timezone="UTC")
    # A tick that was late or missed is of no interest: the next one asks the same question.
    scheduler.add_job(tick, "interval", seconds=settings.tick_seconds, coalesce=True, max_instances=1)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


def push_parts(runtime: Runtime) -> PushParts:
    """Return what pushes work with."""
    return PushParts(runtime.database, runtime.weather, runtime.drafts)


def push_for(
    runtime: Runtime, tenant_id: int, ring_delivery: Callable[[], None]
) -> Callable[[str, str], Awaitable[str]]:
    """Return a function that runs a push now for the stores of one platform user, and says what came of it."""

    async def push(kind: str, user_id: str) -> str:
        async with runtime.database.read() as session:
            tenant = await session.get_one(Tenant, tenant_id)
            person = await find_person(session, tenant_id, "wecom", user_id)
            own = select(StaffStore.store_id).where(StaffStore.staff_id == (person.staff_id if person else 0))
            stores = (await session.scalars(select(Store).where(Store.id.in_(own)).order_by(Store.id))).all()
        if not stores:
            return NO_STORE
        results = []
        for store in stores:
            due = business_now(runtime.clock(), store.timezone, tenant.demo_as_of).date()
            now = runtime.clock()
            order = PushOrder(tenant_id, store.id, due, now, now + PUSH_BY_HAND_EXPIRES)
            results.append(await PUSHES[cast("PushKind", kind)](order, push_parts(runtime)))
        _count(runtime, results)
        ring_delivery()
        return _say(results)

    return push


def _say(results: Iterable[PushResult]) -> str:
    queued = sum(result.queued for result in results)
    if queued:
        return PUSHED.format(queued=queued)
    return ALREADY if any(result.already for result in results) else NOTHING


def _count(runtime: Runtime, results: Iterable[PushResult]) -> None:
    for result in results:
        runtime.metrics.pushes.labels(result.kind).inc(result.queued)
