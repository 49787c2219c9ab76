"""The tick: APScheduler calls it every half minute in every replica; what is due is a query, not a timer.

Two replicas that tick at once queue nothing twice, because the outbox row's unique key decides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import select

from bot.runtime import Runtime
from bot.worker import every, running
from db.last_tick import swap_last_tick
from db.models import StaffStore, Store, Tenant
from handlers.clock import business_now
from handlers.people import find_person
from jobs import PUSHES
from jobs.due import PushKind, Slot
from jobs.push import PushOrder, PushParts, PushResult
from jobs.tick import report_missed, run_due

log = structlog.get_logger()

TICK = "tick"
SLACK = timedelta(seconds=5)
# Longer than the pause between two looks of a server that runs, shorter than any push is worth.
UNLOOKED = timedelta(minutes=5)
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
    ticker = Ticker(runtime, ring_delivery)
    scheduler = AsyncIOScheduler(timezone="UTC")
    # What was late or missed is of no interest: the next tick asks the same question, however late it is.
    late = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler.add_job(ticker.tick, "interval", seconds=settings.tick_seconds, id=TICK, **late)
    scheduler.start()
    mind = partial(_mind_the_clock, scheduler, timedelta(seconds=settings.tick_seconds))
    try:
        async with running(every(settings.tick_seconds, mind, "schedule.clock")):
            yield
    finally:
        scheduler.shutdown(wait=False)


async def _mind_the_clock(scheduler: AsyncIOScheduler, pause: timedelta) -> None:
    """Tick now where the wall clock was set back: APScheduler waits for the hour it had planned by the old one."""
    job, now = scheduler.get_job(TICK), datetime.now(UTC)
    if job is not None and job.next_run_time - now > pause + SLACK:
        log.warning("schedule.clock_set_back", seconds=round((job.next_run_time - now).total_seconds()))
        job.modify(next_run_time=now)


class Ticker:
    """Looks for what is due, and for what was missed while nobody looked."""

    def __init__(self, runtime: Runtime, ring_delivery: Callable[[], None]) -> None:
        settings = runtime.settings.schedule
        self._runtime = runtime
        self._ring_delivery = ring_delivery
        self._parts = push_parts(runtime)
        self._times: dict[PushKind, str] = {"morning": settings.morning, "evening": settings.evening}
        self._finished: set[Slot] = set()

    async def tick(self) -> None:
        """Queue what is due now, in one look."""
        now = self._runtime.clock()
        results = await run_due(self._parts, now, default_times=self._times, finished=self._finished)
        _count(self._runtime, results)
        if any(result.queued for result in results):
            self._ring_delivery()
        last = await swap_last_tick(self._runtime.database, self._runtime.owner, now)
        if last is not None and now - last > UNLOOKED:
            for slot in await report_missed(self._parts, last, now, self._times):
                self._runtime.metrics.missed_pushes.labels(slot.kind).inc()


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
