"""What works behind the callbacks: intake, dispatch, delivery and their housekeeping, opened together.

Closed in this order, within `server.drain_seconds`: no more rows are claimed, answers under way are finished or set
free for another process, what they queued is sent, and what is still being sent is waited for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from bot.answering import Answerer
from bot.bells import Bells, open_bells
from bot.channels import Channels
from bot.deadline import Deadline, within
from bot.delivery import Deliverer
from bot.dispatch import Dispatcher
from bot.identity import Identities
from bot.intake import Intake
from bot.platforms.base import Sweeping
from bot.rate_limits import RateLimits
from bot.receive import Receiver
from bot.recording import Recorder
from bot.runtime import Runtime
from bot.steady_clock import SteadyClock
from bot.worker import every, running, work_loop
from db.claim import RENEWALS
from db.spool import Spool

log = structlog.get_logger()

SPOOL_FILE = "spool.db"
FOLLOW_SECONDS = 60.0
FLUSH_SECONDS = 10.0
SWEEP_SECONDS = 5.0
# How much of the time for stopping the answers under way may have; the rest is for sending them.
DISPATCH_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Workers:
    """What the wires are connected to: `receive` takes updates, `ring_delivery` says that something is queued."""

    receive: Receiver
    ring_delivery: Callable[[], None]
    limits: RateLimits


@asynccontextmanager
async def open_workers(runtime: Runtime, channels: Channels, deadline: Deadline) -> AsyncIterator[Workers]:
    """Open everything behind the callbacks, and close it by the deadline, in the order in which work flows."""
    async with AsyncExitStack() as stack:
        cluster = runtime.settings.cluster
        limits = RateLimits(runtime.metrics, _secret(cluster.redis_url), cluster.replicas)
        stack.push_async_callback(limits.close)
        broker_url = _secret(cluster.broker_url)
        bells = await stack.enter_async_context(open_bells(broker_url, _queue(runtime), runtime.metrics))
        for housekeeping in _housekeeping(runtime, channels):
            await stack.enter_async_context(running(housekeeping))
        if cluster.works:
            await stack.enter_async_context(_delivery(runtime, channels, bells, limits, deadline))
            await stack.enter_async_context(_dispatch(runtime, channels, bells, limits, deadline))
        intake = _intake(runtime, bells)
        await stack.enter_async_context(running(intake.keep_draining()))
        tenant_ids = {key: parts.tenant_id for key, parts in runtime.tenants.items()}
        receive = Receiver(intake, tenant_ids, bells.ring_inbox, runtime.metrics, runtime.reached, runtime.clock)
        yield Workers(receive, bells.ring_outbox, limits)


def _intake(runtime: Runtime, bells: Bells) -> Intake:
    settings = runtime.settings
    spool = Spool(settings.state_directory / SPOOL_FILE, settings.spool.max_rows)
    runtime.metrics.spooled.set(spool.waiting)
    return Intake(runtime.database, spool, settings.spool.patience_seconds, runtime.metrics, bells.ring_inbox)


@asynccontextmanager
async def _delivery(
    runtime: Runtime, channels: Channels, bells: Bells, limits: RateLimits, deadline: Deadline
) -> AsyncIterator[None]:
    deliverer = Deliverer(
        runtime.database,
        channels,
        limits,
        runtime.metrics,
        runtime.clock,
        runtime.steady,
        runtime.owner,
        bells.outbox,
        _lease(runtime),
    )
    async with running(every(_renew_seconds(runtime), deliverer.keep_leases, "delivery.leases")):
        async with running(work_loop("delivery", deliverer.step, bells.outbox)):
            yield
        await within(deadline.left, partial(_send_the_rest, deliverer, deadline), "delivery")
        await deliverer.pool.drain(deadline.left)


async def _send_the_rest(deliverer: Deliverer, deadline: Deadline) -> None:
    """Send what the last answers queued; where the database is gone, the rows wait for another process."""
    try:
        while await deliverer.step() and deadline.left:
            await deliverer.pool.drain(deadline.left)
    except (SQLAlchemyError, OSError) as error:
        log.warning("delivery.left_queued", error=type(error).__name__)


@asynccontextmanager
async def _dispatch(
    runtime: Runtime, channels: Channels, bells: Bells, limits: RateLimits, deadline: Deadline
) -> AsyncIterator[None]:
    identities = Identities(runtime.database, channels, limits, runtime.sealer, runtime.clock)
    dispatcher = Dispatcher(
        runtime.database,
        Answerer(runtime.database, runtime.router_of, identities),
        Recorder(channels, runtime.clock, runtime.steady),
        bells.inbox,
        bells.ring_outbox,
        runtime.metrics,
        runtime.steady,
        runtime.owner,
        _lease(runtime),
    )
    async with running(every(_renew_seconds(runtime), dispatcher.keep_leases, "dispatch.leases")):
        async with running(work_loop("dispatch", dispatcher.step, bells.inbox)):
            yield
        if cut_off := await dispatcher.pool.drain(deadline.left * DISPATCH_SHARE):
            log.warning("dispatch.set_free", rows=len(cut_off))


def _housekeeping(runtime: Runtime, channels: Channels) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what is done now and then: counts written, the database's clock followed, platforms swept."""
    yield every(FLUSH_SECONDS, runtime.usage.flush, "usage")
    yield every(FLUSH_SECONDS, runtime.reached.flush, "reached")
    if isinstance(runtime.steady, SteadyClock):
        yield every(FOLLOW_SECONDS, partial(runtime.steady.follow, runtime.database), "clock")
    for platform in channels.values():
        if isinstance(platform, Sweeping):
            yield every(SWEEP_SECONDS, platform.sweep, f"{platform.name}.sweep")


def _lease(runtime: Runtime) -> timedelta:
    return timedelta(seconds=runtime.settings.cluster.lease_seconds)


def _renew_seconds(runtime: Runtime) -> float:
    return runtime.settings.cluster.lease_seconds / RENEWALS


def _queue(runtime: Runtime) -> str:
    """Return the name of this installation's queue: one for each database."""
    url = runtime.database.url
    return f"daogou.{url.host or 'local'}.{Path(url.database or 'memory').name}"


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
