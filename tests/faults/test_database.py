"""The database goes away under load and comes back: everything is acknowledged meanwhile, and answered afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks
from tests.faults.installation import Installation, behind_proxy, installed
from tests.faults.private_mariadb import PrivateMariadb, private_mariadb

Report = Callable[[object], None]
Proxied = tuple[Installation, TcpProxy]
Owned = tuple[Installation, PrivateMariadb]

SPOOL = {"patience_seconds": 1.0}
GONE_SECONDS = 10.0


@pytest.fixture
async def proxied(tmp_path: Path, forks: Forks) -> AsyncIterator[Proxied]:
    async with behind_proxy(tmp_path, forks) as (at, proxy):
        yield at, proxy


@pytest.fixture
async def owned(tmp_path: Path, forks: Forks) -> AsyncIterator[Owned]:
    """An installation with a database server of its own."""
    async with private_mariadb(tmp_path / "mariadb") as server, installed(tmp_path, server.url, forks) as at:
        yield at, server


@pytest.mark.parametrize("how", ["refuse", "swallow"])
async def test_a_database_that_cannot_be_reached(proxied: Proxied, how: str, report: Report) -> None:
    (at, proxy), server = proxied, proxied[0].replica(spool=SPOOL)
    crowd = Crowd(at)
    await server.start()
    async with crowd.talking(at.people[:20]), crowd.talking(at.people[20:28], "dingtalk"):
        await asyncio.sleep(1)
        await proxy.refuse() if how == "refuse" else proxy.swallow()
        await asyncio.sleep(GONE_SECONDS)
        assert await server.metric("daogou_spooled") > 0
        assert await server.status("/readyz") == 200
        await proxy.restore()
    counts = await at.judge()
    report(counts)
    assert crowd.refused == []
    assert counts.accepted > 28
    assert counts.dead == counts.failed == counts.expired == 0
    assert await server.metric("daogou_spooled") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_database_server_that_is_stopped_or_killed(owned: Owned, number: int, report: Report) -> None:
    (at, mariadb), server = owned, owned[0].replica(spool=SPOOL)
    crowd = Crowd(at)
    await server.start()
    async with crowd.talking(at.people[:20]), crowd.talking(at.people[20:28], "dingtalk"):
        await asyncio.sleep(1)
        await mariadb.stop(number)
        await asyncio.sleep(3)
        await mariadb.start()
    counts = await at.judge()
    report(counts)
    assert crowd.refused == []
    assert counts.dead == counts.failed == counts.expired == 0


async def test_a_database_that_only_reads(owned: Owned, report: Report) -> None:
    (at, mariadb), server = owned, owned[0].replica(spool=SPOOL)
    crowd = Crowd(at)
    await server.start()
    async with crowd.talking(at.people[:20]):
        await asyncio.sleep(1)
        await mariadb.sql("SET GLOBAL read_only = 1")
        await asyncio.sleep(4)
        assert await server.metric("daogou_spooled") > 0
        await mariadb.sql("SET GLOBAL read_only = 0")
    counts = await at.judge()
    report(counts)
    assert crowd.refused == []
    assert counts.answered == counts.accepted


async def test_a_deadlock_makes_the_answer_be_given_again(owned: Owned) -> None:
    """Somebody holds the chat and wants the message, the answer holds the message and wants the chat (error 1213)."""
    (at, mariadb), server, user = owned, owned[0].replica(), owned[0].people[0]
    crowd = Crowd(at)
    await server.start()
    await crowd.say_wecom(user, crowd.text())
    await at.settled()
    async with mariadb.connected() as somebody:
        # The one that has changed less is made to give way.
        await somebody.execute("UPDATE staff SET name = CONCAT(name, '.')")
        await somebody.execute("SELECT * FROM conversations WHERE tenant_id = 1 FOR UPDATE")
        await crowd.say_wecom(user, crowd.text())
        await _until_somebody_waits(mariadb)
        await somebody.execute("UPDATE inbox SET error = 'x' WHERE status = 'working'")
    counts = await at.judge()
    assert counts.answered == 2
    assert "1213" in server.said()


async def _until_somebody_waits(mariadb: PrivateMariadb) -> None:
    waiting: Any = (0,)
    async with asyncio.timeout(20), mariadb.connected("root", "information_schema") as cursor:
        while not waiting[0]:
            # InnoDB shows what it showed last until nobody has looked for a tenth of a second.
            await asyncio.sleep(0.3)
            await cursor.execute("SELECT COUNT(*) FROM innodb_trx WHERE trx_state = 'LOCK WAIT'")
            waiting = await cursor.fetchone()


async def test_a_file_that_somebody_else_has_locked(alone: Installation, report: Report) -> None:
    """SQLite lets one write at a time: a program that writes for long is as bad as a database that is gone."""
    server, crowd = alone.replica(spool=SPOOL), Crowd(alone)
    await server.start()
    async with crowd.talking(alone.people[:20]), crowd.talking(alone.people[20:28], "dingtalk"):
        await asyncio.sleep(1)
        async with alone.database.write() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(8)
            assert await server.metric("daogou_spooled") > 0
    counts = await alone.judge()
    report(counts)
    assert crowd.refused == []
    assert counts.dead == counts.failed == counts.expired == 0


@pytest.mark.parametrize("how", ["refuse", "swallow"])
async def test_a_server_stops_in_time_without_its_database_and_the_next_one_goes_on(
    proxied: Proxied, how: str, report: Report
) -> None:
    (at, proxy), server = proxied, proxied[0].replica(spool=SPOOL, server={"drain_seconds": 3})
    crowd = Crowd(at)
    await server.start()
    async with crowd.talking(at.people[:20]):
        await asyncio.sleep(1)
        await proxy.refuse() if how == "refuse" else proxy.swallow()
        await asyncio.sleep(2)
    took = await server.stop()
    await proxy.restore()
    await server.start()
    counts = await at.judge()
    report(f"{counts}; stopped in {took:.1f} s")
    assert took < 3 + 5
    assert counts.dead == counts.failed == counts.expired == 0


async def test_when_the_spool_is_full_the_platform_is_told_so(proxied: Proxied, report: Report) -> None:
    (at, proxy), server = proxied, proxied[0].replica(spool={"patience_seconds": 0.5, "max_rows": 5})
    crowd = Crowd(at)
    await server.start()
    await proxy.refuse()
    statuses = []
    for user in at.people[:8]:
        callback = crowd.callback(user, text := crowd.text())
        statuses.append(await crowd.post_to(server, callback))
        if statuses[-1] == 200:
            at.note("wecom", user, text)
    assert statuses == [200] * 5 + [503] * 3
    await proxy.restore()
    counts = await at.judge()
    report(counts)
    assert counts.answered == 5
    assert await crowd.say_wecom(at.people[9], crowd.text())
