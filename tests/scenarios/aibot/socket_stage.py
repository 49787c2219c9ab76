"""Replicas with an aibot in socket mode between WeCom's end of it and a small chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from bot.platforms.aibot.connection import LinkTiming
from bot.platforms.aibot.holder import HolderTiming
from bot.platforms.aibot.intake import IntakeTiming
from bot.platforms.aibot.platform_socket import AibotSocketPlatform, SocketTiming
from bot.platforms.aibot.watch import WatchTiming
from bot.platforms.base import Platform
from db.engine import Database
from db.models import Inbox, Outbox
from handlers.router import Router
from tests.fakes.aibot_socket import FakeAibotSocket
from tests.pipeline import Pipeline
from tests.scenarios.aibot.path import way_of
from tests.scenarios.aibot.stage import Clock, Plan, Saying, services_of

LINK = LinkTiming(connect=2.0, ack=2.0, ping=30.0, close=0.2)
HOLDER = HolderTiming(
    lease=30.0, renew=0.05, first_pause=0.02, longest_pause=0.05, refused_pause=5.0, kicked_pause=5.0, link=LINK
)
# No first frame is pushed, however slow the machine is.
FAST = SocketTiming(HOLDER, WatchTiming(first=60.0, look=0.05), IntakeTiming(pauses=(0.01, 0.02), drain=2.0))
ANNOUNCING = replace(FAST, watch=WatchTiming(first=0.05, look=0.05))
# An acknowledgement that does not come is not waited for long.
IMPATIENT = replace(FAST, holder=replace(HOLDER, link=replace(LINK, ack=0.2)))


@dataclass
class SocketStage:
    """One replica; what it receives is worked on by `run`."""

    database: Database
    clock: Clock
    cloud: FakeAibotSocket
    platform: AibotSocketPlatform
    plan: Plan
    saying: Saying
    way: Pipeline

    def start(self) -> None:
        """Begin to try for the socket."""
        self.platform.start("acme", self.way.receive)

    async def run(self) -> None:
        """Dispatch and deliver until nothing moves."""
        await self.way.run()

    async def dispatch(self) -> None:
        """Dispatch until nothing moves."""
        await self.way.dispatch()

    async def connected(self) -> None:
        """Return once this replica has the socket."""
        await until(lambda: self.platform.ready)

    async def received(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the updates once there are so many."""
        async with asyncio.timeout(5):
            while len(updates := await self._updates()) < count:  # noqa: ASYNC110 (the database announces nothing)
                await asyncio.sleep(0.01)
        return updates

    async def outbox(self) -> list[tuple[str, str | None]]:
        """Status and error of every row."""
        async with self.database.read() as session:
            return [(row.status, row.error) for row in await session.scalars(select(Outbox).order_by(Outbox.id))]

    async def _updates(self) -> list[dict[str, Any]]:
        async with self.database.read() as session:
            return [row.update for row in await session.scalars(select(Inbox).order_by(Inbox.id))]


@asynccontextmanager
async def socket_stage(
    database: Database,
    cloud: FakeAibotSocket,
    clock: Clock,
    *,
    app: Platform | None = None,
    owner: str = "one",
    timing: SocketTiming = FAST,
    **settings: Any,
) -> AsyncIterator[SocketStage]:
    """Make one replica, not started."""
    async with AsyncExitStack() as stack:
        platform = AibotSocketPlatform(cloud.settings(**settings), services_of(database, clock, owner), app, timing)
        stack.push_async_callback(platform.close)
        plan, saying = Plan(), Saying()
        plan.gate.set()
        saying.gate.set()
        channels: dict[tuple[int, str], Platform] = {(1, "aibot"): platform}
        if app is not None:
            channels[1, "wecom"] = app
        way = stack.enter_context(way_of(database, channels, Router((plan, saying)), clock, owner))
        yield SocketStage(database, clock, cloud, platform, plan, saying, way)


async def until(happened: Any, seconds: float = 5.0) -> None:
    """Return as soon as it has happened; `TimeoutError` when it does not."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 (what it waits for is not ours to announce)
            await asyncio.sleep(0.005)
