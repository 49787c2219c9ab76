"""The inbox: received once, claimed by one, in order within a conversation, fenced by its lease."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from db import inbox
from db.claim import LEASE
from db.engine import Database
from db.inbox import LeaseLost, NewUpdate
from db.models import Inbox
from tests.rows import NOW, small_chain


@pytest.fixture
async def chain(database: Database) -> Database:
    await small_chain(database)
    return database


def update(key: str, conversation: str = "user:a") -> NewUpdate:
    return NewUpdate(1, "wecom", key, conversation, json.dumps({"text": key}), NOW)


async def receive(database: Database, key: str, conversation: str = "user:a") -> bool:
    [new] = await inbox.receive_many(database, [update(key, conversation)])
    return new


async def test_the_same_delivery_is_kept_once(chain: Database) -> None:
    results = await asyncio.gather(*(receive(chain, "m1") for _ in range(5)))

    assert sorted(results) == [False, False, False, False, True]


async def test_two_workers_never_take_the_same_row(chain: Database) -> None:
    for number in range(10):
        await receive(chain, f"m{number}", f"user:{number}")

    first, second = await asyncio.gather(inbox.claim(chain, "a", NOW, 10), inbox.claim(chain, "b", NOW, 10))

    taken = [row.id for row in (*first, *second)]
    assert len(taken) == len(set(taken)) == 10


async def test_a_conversation_is_answered_in_order(chain: Database) -> None:
    await receive(chain, "m1")
    await receive(chain, "m2")
    await receive(chain, "other", "user:b")

    claimed = await inbox.claim(chain, "a", NOW)

    assert [row.update["text"] for row in claimed] == ["m1", "other"]
    async with chain.write() as session:
        await inbox.finish(session, claimed[0], "a", NOW)
    assert [row.update["text"] for row in await inbox.claim(chain, "a", NOW)] == ["m2"]


async def test_a_dead_workers_row_is_taken_over_and_the_late_one_is_fenced(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "slow", NOW)
    assert await inbox.claim(chain, "quick", NOW) == []

    later = NOW + LEASE + timedelta(seconds=1)
    (taken,) = await inbox.claim(chain, "quick", later)

    assert taken.id == row.id
    assert taken.attempts == 2
    with pytest.raises(LeaseLost):
        async with chain.write() as session:
            await inbox.finish(session, row, "slow", later)


async def test_a_row_put_back_waits_and_keeps_its_reason(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "a", NOW)

    await inbox.put_back(chain, row, "a", NOW, "ValueError: no", timedelta(seconds=4))

    assert await inbox.claim(chain, "a", NOW + timedelta(seconds=3)) == []
    assert len(await inbox.claim(chain, "a", NOW + timedelta(seconds=5))) == 1
    async with chain.read() as session:
        assert (await session.scalars(select(Inbox.error))).one() == "ValueError: no"


async def test_an_error_of_the_database_does_not_show_what_people_wrote(chain: Database) -> None:
    with pytest.raises(SQLAlchemyError) as failed:
        async with chain.write() as session:
            await session.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "王女士的电话"})
    assert "王女士" not in str(failed.value)


async def test_a_batch_tells_which_of_its_updates_are_new(chain: Database) -> None:
    await receive(chain, "old")
    later = NOW + timedelta(seconds=1)
    batch = [replace(update(key), received_at=later) for key in ("old", "new", "new", "other")]

    assert await inbox.receive_many(chain, batch) == [False, True, False, True]
    assert await inbox.receive_many(chain, batch) == [False] * 4


async def test_a_lease_that_is_kept_up_does_not_run_out(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "slow", NOW)
    await inbox.keep(chain, [row.id], "slow", NOW + LEASE / 2)

    assert await inbox.claim(chain, "quick", NOW + LEASE + timedelta(seconds=1)) == []
    async with chain.write() as session:
        await inbox.finish(session, row, "slow", NOW)


async def test_an_attempt_of_the_same_process_that_was_overtaken_writes_nothing(chain: Database) -> None:
    await receive(chain, "m1")
    (first,) = await inbox.claim(chain, "a", NOW)
    (second,) = await inbox.claim(chain, "a", NOW + LEASE)
    with pytest.raises(LeaseLost):
        async with chain.write() as session:
            await inbox.finish(session, first, "a", NOW)
    async with chain.write() as session:
        await inbox.finish(session, second, "a", NOW)


async def test_rows_two_workers_died_over_are_taken_one_at_a_time(chain: Database) -> None:
    for name in "ab":
        await receive(chain, name, f"user:{name}")
    for number in range(2):
        assert len(await inbox.claim(chain, "dying", NOW + number * LEASE)) == 2
        assert await inbox.claim_suspect(chain, "dying", NOW + number * LEASE) == []
    later = NOW + 2 * LEASE
    assert await inbox.claim(chain, "next", later) == []
    (first,) = await inbox.claim_suspect(chain, "next", later)
    assert (first.update["text"], first.attempts) == ("a", 3)


async def test_a_row_set_free_costs_no_attempt(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "a", NOW)
    await inbox.put_back(chain, row, "a", NOW, None, timedelta(0))
    (again,) = await inbox.claim(chain, "b", NOW)
    assert again.attempts == 1
