"""An aibot on both sides of its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.platforms.aibot.platform_socket import SocketTiming
from db.engine import Database
from tests.fakes.aibot import FakeAibot
from tests.fakes.aibot_socket import FakeAibotSocket
from tests.scenarios.aibot.socket_stage import ANNOUNCING, FAST, IMPATIENT, SocketStage, socket_stage
from tests.scenarios.aibot.stage import Clock, Stage, bind, stage_of


@pytest.fixture
def clock() -> Clock:
    """The time of day, moved by hand."""
    return Clock()


@pytest.fixture
async def aibot(clock: Clock) -> AsyncIterator[FakeAibot]:
    """WeCom's side; at the end it must have nothing to complain of."""
    async with FakeAibot(clock).running() as fake:
        yield fake
    assert fake.faults == []


@pytest.fixture
async def stage(database: Database, aibot: FakeAibot, clock: Clock) -> AsyncIterator[Stage]:
    """A replica without an app, called back by the bot."""
    await bind(database)
    async with stage_of(database, aibot, clock) as one:
        aibot.target = one.url
        yield one


@pytest.fixture
async def cloud(clock: Clock) -> AsyncIterator[FakeAibotSocket]:
    """WeCom's end of the long connection; at the end it must have nothing to complain of."""
    async with FakeAibotSocket(clock).running() as fake:
        yield fake
    assert fake.faults == []


@pytest.fixture
async def holding(database: Database, cloud: FakeAibotSocket, clock: Clock) -> AsyncIterator[SocketStage]:
    """A replica that has the socket."""
    async with _holding(database, cloud, clock, FAST) as stage:
        yield stage


@pytest.fixture
async def announcing(database: Database, cloud: FakeAibotSocket, clock: Clock) -> AsyncIterator[SocketStage]:
    """A replica that has the socket and announces an answer very soon."""
    async with _holding(database, cloud, clock, ANNOUNCING) as stage:
        yield stage


@pytest.fixture
async def impatient(database: Database, cloud: FakeAibotSocket, clock: Clock) -> AsyncIterator[SocketStage]:
    """A replica that has the socket and does not wait long for an acknowledgement."""
    async with _holding(database, cloud, clock, IMPATIENT) as stage:
        yield stage


@asynccontextmanager
async def _holding(
    database: Database, cloud: FakeAibotSocket, clock: Clock, timing: SocketTiming
) -> AsyncIterator[SocketStage]:
    await bind(database)
    async with socket_stage(database, cloud, clock, timing=timing) as one:
        one.start()
        await one.connected()
        yield one
