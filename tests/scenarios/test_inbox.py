"""The inbox: received once, claimed by one, in order within a conversation, fenced by its lease."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from db import inbox
from db.engine import Database
from db.inbox import LeaseLost
from db.models import Inbox
from tests.rows import NOW, small_chain


@pytest.fixture
async def chain(database: Database) -> Database:
    await small_chain(database)
    return database


async def receive(database: Database, key: str, conversation: str = "user:a") -> bool:
    return await inbox.receive(
        database,
        tenant_id=1,
        platform="wecom",
        dedupe_key=key,
        conversation_key=conversation,
        update={"text": key},
        now=NOW,
    )


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
        await inbox.finish(session, claimed[0].id, "a", NOW)
    assert [row.update["text"] for row in await inbox.claim(chain, "a", NOW)] == ["m2"]


async def test_a_dead_workers_row_is_taken_over_and_the_late_one_is_fenced(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "slow", NOW)
    assert await inbox.claim(chain, "quick", NOW) == []

    later = NOW + inbox.LEASE + timedelta(seconds=1)
    (taken,) = await inbox.claim(chain, "quick", later)

    assert taken.id == row.id
    assert taken.attempts == 2
    with pytest.raises(LeaseLost):
        async with chain.write() as session:
            await inbox.finish(session, row.id, "slow", later)


async def test_a_row_put_back_waits_and_keeps_its_reason(chain: Database) -> None:
    await receive(chain, "m1")
    (row,) = await inbox.claim(chain, "a", NOW)

    await inbox.put_back(chain, row.id, "a", NOW, "ValueError: no", timedelta(seconds=4))

    assert await inbox.claim(chain, "a", NOW + timedelta(seconds=3)) == []
    assert len(await inbox.claim(chain, "a", NOW + timedelta(seconds=5))) == 1
    async with chain.read() as session:
        assert (await session.scalars(select(Inbox.error))).one() == "ValueError: no"


async def test_an_error_of_the_database_does_not_show_what_people_wrote(chain: Database) -> None:
    with pytest.raises(SQLAlchemyError) as failed:
        async with chain.write() as session:
            await session.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "王女士的电话"})
    assert "王女士" not in str(failed.value)
