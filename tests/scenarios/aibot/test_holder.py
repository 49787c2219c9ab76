"""One socket among replicas: held, handed over, reconnected, and not fought over."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.platforms.aibot.platform_socket import SocketTiming
from db.callback_checks import reaches
from db.engine import Database
from db.leases import holder
from tests.fakes.aibot_socket import FakeAibotSocket
from tests.scenarios.aibot.socket_stage import FAST, HOLDER, SocketStage, socket_stage, until
from tests.scenarios.aibot.stage import ON_SQLITE, Clock, bind

pytestmark = ON_SQLITE


def timing(**changes: float) -> SocketTiming:
    return replace(FAST, holder=replace(HOLDER, **changes))  # type: ignore[arg-type]


async def two(
    stack: AsyncExitStack, database: Database, cloud: FakeAibotSocket, clock: Clock, slow: SocketTiming = FAST
) -> tuple[SocketStage, SocketStage]:
    """Return two replicas; the first has the socket."""
    await bind(database)
    first = await stack.enter_async_context(socket_stage(database, cloud, clock, owner="one", timing=slow))
    second = await stack.enter_async_context(socket_stage(database, cloud, clock, owner="two"))
    first.start()
    await first.connected()
    second.start()
    return first, second


async def test_one_replica_has_the_socket(database: Database, cloud: FakeAibotSocket, clock: Clock) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, database, cloud, clock)
        await asyncio.sleep(0.3)
        assert (first.platform.ready, second.platform.ready, cloud.kicked) == (True, False, 0)


async def test_a_replica_that_stops_hands_over_at_once(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, database, cloud, clock)
        await first.platform.stop()
        await second.connected()
        await cloud.say("zhangsan", "今天有什么券")
        assert len(await second.received()) == 1
        assert (first.platform.ready, cloud.kicked) == (False, 0)


async def test_a_replica_whose_lease_ran_out_gives_way_and_is_not_kicked_twice(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, database, cloud, clock, timing(renew=0.4))
        with capture_logs() as logs:
            clock.now += timedelta(seconds=31)  # the first was asleep
            await second.connected()
            await until(lambda: not first.platform.ready)
            await asyncio.sleep(0.5)
        assert second.platform.ready
        assert len(cloud.sent("aibot_subscribe")) == 2
        assert "aibot.kicked" not in {entry["event"] for entry in logs}


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_after_a_cut_it_reconnects_and_goes_on(holding: SocketStage, end: str) -> None:
    if end == "cut":
        await holding.cloud.cut()
    else:
        await holding.cloud.connections[0].socket.close()
    await until(lambda: len(holding.cloud.sent("aibot_subscribe")) == 2)
    await holding.connected()
    await holding.cloud.say("zhangsan", "还在吗")
    assert [update["text"] for update in await holding.received()] == ["还在吗"]


async def test_who_takes_over_from_outside_is_not_fought(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, database, cloud, clock)
        with capture_logs() as logs:
            await cloud.kick()
            await until(lambda: not first.platform.ready)
            await asyncio.sleep(0.4)
        assert len(cloud.sent("aibot_subscribe")) == 1
        assert not second.platform.ready
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["aibot.kicked"]
        clock.now += timedelta(seconds=6)
        await second.connected()


async def test_a_wrong_secret_is_not_tried_again_soon(database: Database, cloud: FakeAibotSocket, clock: Clock) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock, secret="wrong") as stage:
        with capture_logs() as logs:
            stage.start()
            await until(lambda: len(cloud.sent("aibot_subscribe")) == 1)
            await asyncio.sleep(0.3)
        assert len(cloud.sent("aibot_subscribe")) == 1
        assert not stage.platform.ready
        assert "aibot.subscription_refused" in {entry["event"] for entry in logs}


async def test_a_server_that_is_not_there_is_asked_again(database: Database, clock: Clock) -> None:
    await bind(database)
    nowhere = FakeAibotSocket(clock)
    nowhere.url = "ws://127.0.0.1:9"
    async with socket_stage(database, nowhere, clock) as stage:
        with capture_logs() as logs:
            stage.start()
            await asyncio.sleep(0.3)
        assert sum(entry["event"] == "aibot.not_connected" for entry in logs) > 2


async def test_while_the_database_is_gone_the_socket_is_kept_as_long_as_the_lease(holding: SocketStage) -> None:
    async with holding.database.writer.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE leases RENAME TO gone")
    await asyncio.sleep(0.2)
    assert holding.platform.ready
    holding.clock.now += timedelta(seconds=31)
    await until(lambda: not holding.platform.ready)
    async with holding.database.writer.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE gone RENAME TO leases")
    await holding.connected()


async def test_stopping_gives_the_lease_back_and_leaves_no_task(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    before = asyncio.all_tasks()
    async with socket_stage(database, cloud, clock) as stage:
        stage.start()
        await stage.connected()
        await cloud.say("zhangsan", "今天有什么券")
        await stage.received()
        await stage.platform.stop()
        assert await holder(database, "aibot:1", clock()) is None
        left = {task for task in asyncio.all_tasks() - before if "aibot" in task.get_name()}
        assert left == set()
        stage.start()
        await stage.connected()


async def test_starting_twice_is_refused(holding: SocketStage) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        holding.start()


async def noted(database: Database) -> tuple[bool, str | None]:
    """Whether we got in, and why we were turned away last."""
    async with database.read() as session:
        rows = await reaches(session, 1)
    return (rows[0].accepted_at is not None, rows[0].reason) if rows else (False, None)


async def test_that_we_got_in_and_were_pushed_out_is_noted(holding: SocketStage, database: Database) -> None:
    async with asyncio.timeout(5):
        while await noted(database) != (True, None):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await holding.cloud.kick()
        while await noted(database) != (True, "kicked"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_refused_subscription_is_noted(database: Database, cloud: FakeAibotSocket, clock: Clock) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock, secret="another") as stage:
        stage.start()
        async with asyncio.timeout(5):
            while not str((await noted(database))[1]).startswith("subscription_refused:"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
