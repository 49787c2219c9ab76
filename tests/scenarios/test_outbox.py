"""The outbox: queued once, sent in order, replies before pushes, interrupted sends marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from db import inbox, outbox
from db.claim import LEASE
from db.engine import Database
from db.inbox import NewUpdate
from db.outbox import NewMessage
from tests.rows import NOW, small_chain

REPLY = NewMessage(
    tenant_id=1,
    platform="wecom",
    kind="reply",
    dedupe_key="reply:1:0",
    conversation_key="user:a",
    address={"user_id": "a"},
    message={"kind": "text", "text": "好"},
)
PUSH = replace(
    REPLY,
    kind="morning",
    dedupe_key="push:1",
    conversation_key="user:b",
    store_id=1,
    staff_id=1,
    due_date=date(2026, 11, 21),
)


@pytest.fixture
async def chain(database: Database) -> Database:
    await small_chain(database)
    return database


async def queue(database: Database, message: NewMessage) -> int | None:
    async with database.write() as session:
        return await outbox.queue(session, message, NOW)


async def test_a_reply_is_queued_once(chain: Database) -> None:
    assert await queue(chain, REPLY) is not None
    assert await queue(chain, REPLY) is None


async def test_a_push_is_one_per_store_clerk_kind_and_date(chain: Database) -> None:
    assert await queue(chain, PUSH) is not None
    assert await queue(chain, replace(PUSH, dedupe_key="another")) is None
    assert await queue(chain, replace(PUSH, dedupe_key="tomorrow", due_date=date(2026, 11, 22))) is not None


async def test_replies_go_before_pushes_and_a_conversation_keeps_its_order(chain: Database) -> None:
    await inbox.receive_many(chain, [NewUpdate(1, "wecom", "m", "user:a", "{}", NOW)])
    await queue(chain, PUSH)
    first = await queue(chain, replace(REPLY, inbox_id=1))
    await queue(chain, replace(REPLY, dedupe_key="reply:1:1", inbox_id=1))

    claimed = await outbox.claim(chain, "a", NOW)

    assert [row.kind for row in claimed] == ["reply", "morning"]
    assert claimed[0].id == first
    async with chain.write() as session:
        assert await outbox.settle(session, claimed[0], "a", "sent", NOW)
    assert len(await outbox.claim(chain, "a", NOW)) == 1


async def test_a_retry_waits_and_an_interrupted_send_says_so(chain: Database) -> None:
    await queue(chain, REPLY)
    (row,) = await outbox.claim(chain, "a", NOW)
    async with chain.write() as session:
        assert await outbox.retry(session, row, "a", NOW + timedelta(seconds=9), "忙")

    assert await outbox.claim(chain, "a", NOW + timedelta(seconds=8)) == []
    (again,) = await outbox.claim(chain, "a", NOW + timedelta(seconds=9))
    assert not again.interrupted

    (orphan,) = await outbox.claim(chain, "b", NOW + timedelta(seconds=10) + LEASE)
    assert orphan.interrupted
    async with chain.write() as session:
        assert not await outbox.settle(session, orphan, "a", "sent", NOW)


async def test_a_reply_does_not_wait_for_a_push_of_its_conversation(chain: Database) -> None:
    await inbox.receive_many(chain, [NewUpdate(1, "wecom", "m", "user:a", "{}", NOW)])
    await queue(chain, replace(PUSH, conversation_key="user:a", not_before=NOW + timedelta(hours=1)))
    await queue(chain, replace(REPLY, inbox_id=1))

    assert [row.kind for row in await outbox.claim(chain, "a", NOW)] == ["reply"]


async def test_a_channel_that_is_closed_here_keeps_its_rows_for_the_process_where_it_is_open(chain: Database) -> None:
    await queue(chain, REPLY)
    assert await outbox.claim(chain, "a", NOW, closed=[(1, "wecom"), (1, "dingtalk")]) == []
    assert len(await outbox.claim(chain, "b", NOW, closed=[(1, "dingtalk")])) == 1


async def test_a_wait_for_the_rate_costs_no_attempt(chain: Database) -> None:
    await queue(chain, REPLY)
    (row,) = await outbox.claim(chain, "a", NOW)
    async with chain.write() as session:
        await outbox.retry(session, row, "a", NOW, "频率", free=True)
    (again,) = await outbox.claim(chain, "a", NOW)
    assert (row.attempts, again.attempts) == (1, 1)
