"""Receiver, dispatcher and deliverer over one database, without server: a test says, runs and looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.answering import Answerer
from bot.delivery import Deliverer
from bot.dispatch import Dispatcher
from bot.identity import Identities
from bot.intake import Intake
from bot.metrics import Metrics
from bot.platforms.base import Platform
from bot.rate_limits import RateLimits
from bot.reached import Reached
from bot.receive import Receiver
from bot.recording import Recorder
from bot.seal import Sealer
from bot.worker import Doorbell
from db.engine import Database
from db.spool import Spool
from handlers.router import Router
from tests.rows import NOW

SEALER = Sealer("tests")


class Pipeline:
    """The path of one process, named `owner`. Every clock is `clock`, by default `now`, which the test moves."""

    def __init__(
        self,
        database: Database,
        platforms: Mapping[tuple[int, str], Platform],
        router: Router,
        folder: Path,
        owner: str = "test",
        *,
        tenant: str = "demo",
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.database, self.now = database, NOW
        self.metrics, self.bell = Metrics(), Doorbell()
        self.limits = RateLimits(self.metrics)
        clock = clock or (lambda: self.now)
        ring = self.bell.ring
        self.spool = Spool(folder / f"spool-{owner}.db", 1000)
        self.intake = Intake(database, self.spool, 2.0, self.metrics, ring)
        self.receive = Receiver(self.intake, {tenant: 1}, ring, self.metrics, Reached(database, clock), clock)
        self.identities = Identities(database, platforms, self.limits, SEALER, clock)
        self.dispatcher = Dispatcher(
            database,
            Answerer(database, lambda _: router, self.identities),
            Recorder(platforms, clock, clock),
            self.bell,
            ring,
            self.metrics,
            clock,
            owner,
        )
        self.deliverer = Deliverer(database, platforms, self.limits, self.metrics, clock, clock, owner, self.bell)

    async def dispatch(self) -> None:
        """Answer until nothing is left that can be answered now."""
        await self.dispatcher.pool.drain()
        while await self.dispatcher.step():
            await self.dispatcher.pool.drain()

    async def deliver(self) -> None:
        """Send until nothing is left that can be sent now."""
        while await self.deliverer.step():
            await self.deliverer.pool.drain()

    async def deliver_one(self) -> None:
        """Send what is due now, and not what it makes way for."""
        await self.deliverer.step()
        await self.deliverer.pool.drain()

    async def run(self) -> None:
        """Dispatch and deliver until nothing moves."""
        await self.dispatch()
        await self.deliver()

    async def rows(self, query: Any) -> list[Any]:
        """Return what a select finds, as scalars."""
        async with self.database.read() as session:
            return list((await session.scalars(query)).all())
