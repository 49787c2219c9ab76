"""The doorbell between processes: "there may be work", carried by taskiq.

    ring ─→ carrier ─→ broker ─→ one process of the cluster ─→ its loop wakes and looks into the tables

In one process taskiq's in-memory broker carries it; with `cluster.broker_url` RabbitMQ does, to whichever process
is free. A ring says nothing but that it is worth looking: rings are joined while one is on its way, a lost one costs
the wait for the next sweep, and while the broker is gone every process rings for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from taskiq import AsyncBroker, InMemoryBroker
from taskiq.api import run_receiver_task

from bot.metrics import Metrics
from bot.worker import Doorbell, running

log = structlog.get_logger()

BellName = Literal["inbox", "outbox"]
TASK = "daogou.ring"
CARRY_SECONDS = 2.0
GAP_SECONDS = 0.02
# RabbitMQ drops the queue of an installation that has not listened for a week.
FORGOTTEN_MS = 7 * 24 * 3600 * 1000
STARTUP_PAUSE, LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Bells:
    """What wakes the loops of this process, and what wakes a loop somewhere in the cluster."""

    inbox: Doorbell
    outbox: Doorbell
    ring_inbox: Callable[[], None]
    ring_outbox: Callable[[], None]


class Carrier:
    """Carries rings through a broker, one on its way at a time."""

    def __init__(self, broker: AsyncBroker, bells: dict[BellName, Doorbell], metrics: Metrics) -> None:
        self._broker = broker
        self._bells = bells
        self._metrics = metrics
        self._pending: set[BellName] = set()
        self._wake = asyncio.Event()

        async def arrived(name: BellName) -> None:  # a function: taskiq renames what it registers
            bells[name].ring()

        self._task = broker.register_task(arrived, task_name=TASK)

    def ring(self, name: BellName) -> None:
        """Have this bell ring somewhere; returns at once."""
        self._pending.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Carry rings until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            names, self._pending = self._pending, set()
            for name in names:
                await self._carry(name)
            # A ring costs a third of a millisecond of work: in a crowd, one wakes everybody who is needed.
            await asyncio.sleep(GAP_SECONDS)

    async def keep_listening(self) -> None:
        """Take part in the broker's work until cancelled; while it is gone, try again with growing pauses."""
        pause = STARTUP_PAUSE
        while True:
            try:
                await self._broker.startup()
                self._set_up(True)
                pause = STARTUP_PAUSE
                await run_receiver_task(self._broker)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 (outermost loop; every broker has its own errors)
                self._set_up(False)
                log.warning("bells.broker_gone", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _carry(self, name: BellName) -> None:
        try:
            async with asyncio.timeout(CARRY_SECONDS):
                await self._task.kiq(name)
        except Exception as error:  # noqa: BLE001 (the row is safe; every broker has its own errors)
            log.warning("bells.not_carried", bell=name, error=type(error).__name__)
            self._metrics.degraded.labels("broker").set(1)
            self._bells[name].ring()
        else:
            self._metrics.degraded.labels("broker").set(0)

    def _set_up(self, up: bool) -> None:
        self._metrics.degraded.labels("broker").set(0 if up else 1)


@asynccontextmanager
async def open_bells(broker_url: str | None, queue: str, metrics: Metrics) -> AsyncIterator[Bells]:
    """Open the bells of this process; `queue` tells one installation's rings from another's on the same broker."""
    bells: dict[BellName, Doorbell] = {"inbox": Doorbell(), "outbox": Doorbell()}
    broker = _rabbit(broker_url, queue) if broker_url else InMemoryBroker(max_stored_results=1)
    carrier = Carrier(broker, bells, metrics)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_shut_down, broker)
        await stack.enter_async_context(running(carrier.run()))
        if broker_url:
            await stack.enter_async_context(running(carrier.keep_listening()))
        else:
            await broker.startup()
        yield Bells(bells["inbox"], bells["outbox"], lambda: carrier.ring("inbox"), lambda: carrier.ring("outbox"))


def _rabbit(url: str, queue: str) -> AsyncBroker:
    # Imported here: only a cluster needs it.
    from taskiq_aio_pika import AioPikaBroker, Exchange, Queue  # noqa: PLC0415

    rings = Queue(name=queue, arguments={"x-expires": FORGOTTEN_MS})
    broker = AioPikaBroker(url, qos=1, exchange=Exchange(name="daogou"), task_queues=[rings])
    broker.is_worker_process = True
    return broker


async def _shut_down(broker: AsyncBroker) -> None:
    try:
        async with asyncio.timeout(CARRY_SECONDS):
            await broker.shutdown()
    except Exception as error:  # noqa: BLE001 (closing; every broker has its own errors)
        log.warning("bells.broker_not_closed", error=type(error).__name__)
