"""The way of an update through one process: received, dispatched, delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bot.delivery import Deliverer
from bot.dispatch import Dispatcher
from bot.metrics import Metrics
from bot.platforms.base import Platform
from bot.receive import Receiver
from bot.worker import Doorbell
from db.engine import Database
from handlers.router import Router

Channels = Mapping[tuple[int, str], Platform]


@dataclass(frozen=True, slots=True)
class Way:
    """One process, worked by hand."""

    receive: Receiver
    dispatcher: Dispatcher
    deliverer: Deliverer
    metrics: Metrics

    async def dispatch(self) -> None:
        """Dispatch until nothing moves."""
        await self.dispatcher.pool.drain()
        while await self.dispatcher.step():
            await self.dispatcher.pool.drain()

    async def deliver_one(self) -> None:
        """Deliver what is due now, and not what it makes way for."""
        await self.deliverer.step()
        await self.deliverer.pool.drain()

    async def run(self) -> None:
        """Dispatch and deliver until nothing moves."""
        await self.dispatch()
        while await self.deliverer.step():
            await self.deliverer.pool.drain()


@contextmanager
def way_of(
    database: Database, channels: Channels, router: Router, clock: Callable[[], datetime], owner: str
) -> Iterator[Way]:
    """Yield the way of the tenant `acme`."""
    metrics, bell = Metrics(), Doorbell()
    yield Way(
        Receiver(database, {"acme": 1}, bell, metrics, clock),
        Dispatcher(database, lambda _: router, bell, bell, metrics, clock, owner),
        Deliverer(database, channels, metrics, clock, owner, bell),
        metrics,
    )
