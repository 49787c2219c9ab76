"""The intake: many updates in one commit, and none lost while the database is gone."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.exc import IntegrityError

from bot.intake import CannotKeep, Intake
from bot.metrics import Metrics
from db.engine import Database
from db.inbox import NewUpdate, NotKept
from db.models import Inbox
from db.spool import Spool
from tests.conftest import drop_mariadb, make_schema, new_mariadb
from tests.fakes.tcp_proxy import TcpProxy
from tests.rows import NOW, small_chain


def update(key: str, conversation: str = "user:a") -> NewUpdate:
    return NewUpdate(1, "wecom", key, conversation, json.dumps({"text": key}), NOW)


class Desk:
    """An intake with its spool, and how often it rang."""

    def __init__(self, database: Database, folder: Path, max_rows: int = 100, patience: float = 0.5) -> None:
        self.rings = 0
        self.database = database
        self.spool = Spool(folder / "spool.db", max_rows)
        self.intake = Intake(database, self.spool, patience, Metrics(), self.ring)

    def ring(self) -> None:
        self.rings += 1

    async def kept(self) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Inbox.dedupe_key).order_by(Inbox.id)))


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    await small_chain(database)
    return Desk(database, tmp_path)


async def test_a_crowd_is_kept_once_each_and_in_order(desk: Desk) -> None:
    keys = [f"m{number:03}" for number in range(300)]
    news = await asyncio.gather(*(desk.intake.put(update(key)) for key in keys))
    assert all(news)
    assert await desk.kept() == keys
    later = [replace(update(key), received_at=NOW + timedelta(seconds=5)) for key in [*keys[:50], "new"]]
    again = await asyncio.gather(*map(desk.intake.put, later))
    assert again[:50] == [False] * 50
    assert again[50]


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[tuple[Desk, TcpProxy]]:
    """An intake whose MariaDB stands behind a proxy that can break."""
    name = f"daogou_test_intake_{os.getpid()}"
    url = make_url(await new_mariadb(name))
    async with TcpProxy(url.host or "127.0.0.1", url.port or 3306) as proxy:
        database = Database(url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False))
        await make_schema(database)
        await small_chain(database)
        yield Desk(database, tmp_path), proxy
        await proxy.restore()
        await database.close()
    await drop_mariadb(name)


@pytest.mark.parametrize("how", ["refuse", "swallow"])
async def test_what_comes_while_the_database_is_gone_is_kept_and_brought_in_later(
    broken: tuple[Desk, TcpProxy], how: str
) -> None:
    desk, proxy = broken
    await desk.intake.put(update("before"))
    if how == "refuse":
        await proxy.refuse()
    else:
        proxy.swallow()

    started = asyncio.get_running_loop().time()
    assert await desk.intake.put(update("first"))
    assert asyncio.get_running_loop().time() - started < 2.0
    await asyncio.gather(*(desk.intake.put(update(f"m{number}")) for number in range(20)))
    assert desk.spool.waiting == 21
    assert await desk.intake.drain() == 0

    await proxy.restore()
    assert await desk.intake.drain() == 21
    assert await desk.kept() == ["before", "first", *(f"m{number}" for number in range(20))]
    assert (desk.spool.waiting, desk.rings) == (0, 1)


async def test_what_comes_while_the_spool_is_not_empty_queues_up_behind_it(broken: tuple[Desk, TcpProxy]) -> None:
    desk, proxy = broken
    await proxy.refuse()
    await desk.intake.put(update("m1"))
    await proxy.restore()
    await desk.intake.put(update("m2"))
    await desk.intake.drain()
    assert await desk.kept() == ["m1", "m2"]


async def test_the_spool_survives_the_process(broken: tuple[Desk, TcpProxy], tmp_path: Path) -> None:
    desk, proxy = broken
    await proxy.refuse()
    await desk.intake.put(update("m1"))
    await proxy.restore()
    next_process = Desk(desk.database, tmp_path)
    assert await next_process.intake.drain() == 1
    assert await desk.kept() == ["m1"]


async def test_two_processes_that_share_a_folder_bring_in_everything_once(desk: Desk, tmp_path: Path) -> None:
    other = Desk(desk.database, tmp_path)
    desk.spool.add([update("m1"), update("m2")])
    other.spool.add([update("m3")])
    assert await other.intake.drain() == 3
    await desk.intake.drain()
    assert (desk.spool.waiting, other.spool.waiting) == (0, 0)
    await desk.intake.put(update("m4"))
    assert await desk.kept() == ["m1", "m2", "m3", "m4"]


async def test_a_full_spool_leaves_the_update_to_the_platform(broken: tuple[Desk, TcpProxy], tmp_path: Path) -> None:
    desk, proxy = broken
    small = Desk(desk.database, tmp_path / "small", max_rows=2)
    await proxy.refuse()
    await small.intake.put(update("m1"))
    await small.intake.put(update("m2"))
    with pytest.raises(CannotKeep, match="SpoolFull"):
        await small.intake.put(update("m3"))


async def test_what_got_in_although_the_answer_was_lost_is_not_there_twice(broken: tuple[Desk, TcpProxy]) -> None:
    """The commit reached the server, the answer did not come back: the spool brings a double, the key drops it."""
    desk, _ = broken
    await desk.intake.put(update("m1"))
    desk.spool.add([update("m1"), update("m2")])
    await desk.intake.drain()
    assert await desk.kept() == ["m1", "m2"]


async def test_a_row_the_database_refuses_does_not_take_the_others_with_it(desk: Desk) -> None:
    nobodys = replace(update("of no tenant"), tenant_id=99)
    results = await asyncio.gather(
        *(desk.intake.put(one) for one in (update("m1"), nobodys, update("m2"))), return_exceptions=True
    )
    assert [type(result) for result in (results[0], results[2])] == [bool, bool]
    assert isinstance(results[1], IntegrityError | NotKept)
    assert await desk.kept() == ["m1", "m2"]


async def test_a_spooled_row_the_database_refuses_is_set_aside_and_not_lost(desk: Desk) -> None:
    desk.spool.add([update("m1"), replace(update("of no tenant"), tenant_id=99), update("m2")])
    await desk.intake.drain()
    assert await desk.kept() == ["m1", "m2"]
    assert (desk.spool.waiting, desk.spool.aside()) == (0, 1)
