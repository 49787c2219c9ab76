"""Inbox to outbox to platform: answered once, in one transaction, with every failure on its row."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select

from bot.answering import TOO_OLD
from bot.delivery import TOO_LATE
from bot.dispatch import APOLOGY
from bot.platforms.base import Refused, TryLater, Unknown
from db.engine import Database
from db.models import CardRow, Conversation, Inbox, Message, Outbox
from handlers.intents import Intent
from handlers.messages import STALE, Address, Button, Card, Press, Reply, Update
from handlers.router import Router
from handlers.turn import Turn
from tests.fakes.platform import FakePlatform
from tests.pipeline import Pipeline
from tests.rows import small_chain

OPEN = Card("plan", "方案", buttons=(Button("launch", "上架", "plan.launch", {"n": 7}, primary=True),))
DONE = Card("plan", "方案", state="店长乙 10:32 已上架 · 券 123")


@dataclass
class Plan:
    """Answers 方案 with a card, its press with the finished card; counts presses."""

    presses: list[dict[str, object]] = field(default_factory=list)
    intent: ClassVar[Intent] = Intent("plan", re.compile("方案"), actions=frozenset({"plan.launch"}), example="方案")

    async def __call__(self, turn: Turn) -> Reply:
        if turn.pressed is None:
            return Reply("plan", (OPEN,), remember={"plan": {"n": 7}})
        self.presses.append(dict(turn.pressed.value))
        return Reply("execute", card=DONE)


@dataclass
class Long:
    """Answers when it is let."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    intent: ClassVar[Intent] = Intent("faq", re.compile("久"))

    async def __call__(self, turn: Turn) -> Reply:
        await self.may_end.wait()
        return Reply.say("faq", "终于")


@dataclass
class Broken:
    """Raises until `good` is set."""

    good: bool = False
    intent: ClassVar[Intent] = Intent("report", re.compile("坏"))

    async def __call__(self, turn: Turn) -> Reply:
        if not self.good:
            raise ValueError("database is on fire")
        return Reply.say("report", "好了")


class Stage(Pipeline):
    """The path over one database, with a handler that plans and one that breaks."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.plan, self.broken, self.long, self.platform = Plan(), Broken(), Long(), FakePlatform()
        router = Router((self.plan, self.broken, self.long))
        super().__init__(database, {(1, "wecom"): self.platform}, router, folder)

    async def say(self, text: str, key: str = "m1", user: str = "manager1", press: Press | None = None) -> bool:
        address = Address("wecom", f"user:{user}", user)
        kind = "press" if press else "text"
        return await self.receive(Update("demo", key, kind, address, self.now, text, press))  # type: ignore[arg-type]

    async def outbox(self) -> list[tuple[str, str | None]]:
        async with self.database.read() as session:
            return [(row.status, row.error) for row in (await session.scalars(select(Outbox).order_by(Outbox.id)))]


@pytest.fixture
async def stage(database: Database, tmp_path: Path) -> Stage:
    await small_chain(database)
    return Stage(database, tmp_path)


async def card_id(stage: Stage) -> str:
    async with stage.database.read() as session:
        return (await session.scalars(select(CardRow.public_id))).one()


async def test_a_message_delivered_three_times_is_answered_once(stage: Stage) -> None:
    assert [await stage.say("方案") for _ in range(3)] == [True, False, False]
    await stage.run()

    assert stage.platform.sent == [("manager1", "方案\n[上架]")]
    assert await stage.outbox() == [("sent", None)]


async def test_the_conversation_remembers_and_is_logged(stage: Stage) -> None:
    await stage.say("方案")
    await stage.run()

    async with stage.database.read() as session:
        assert (await session.scalars(select(Conversation.context))).one() == {"plan": {"n": 7}}
        log = [(m.direction, m.text, m.intent) for m in await session.scalars(select(Message).order_by(Message.id))]
    assert log == [("in", "方案", None), ("out", "方案\n[上架]", "plan")]


async def test_a_press_changes_the_card_in_place(stage: Stage) -> None:
    await stage.say("方案")
    await stage.run()
    public_id = await card_id(stage)

    await stage.say("", "p1", press=Press(public_id, "launch"))
    await stage.run()

    assert stage.plan.presses == [{"n": 7}]
    assert stage.platform.updated == [(public_id, "方案\n店长乙 10:32 已上架 · 券 123")]
    async with stage.database.read() as session:
        row = (await session.scalars(select(CardRow))).one()
    assert (row.state, row.version, row.handle) == ("done", 2, {"response_code": "rc"})


async def test_a_late_press_on_an_outdated_copy_still_finds_its_meaning(stage: Stage) -> None:
    await stage.say("方案")
    await stage.run()
    public_id = await card_id(stage)
    for key in ("p1", "p2"):
        await stage.say("", key, press=Press(public_id, "launch0"))
        await stage.run()

    assert len(stage.plan.presses) == 2
    assert len(stage.platform.updated) == 2


async def test_a_card_that_can_no_longer_change_is_said_again(stage: Stage) -> None:
    await stage.say("方案")
    await stage.run()
    stage.platform.spent = True

    await stage.say("", "p1", press=Press(await card_id(stage), "launch"))
    await stage.run()

    assert stage.platform.sent[-1] == ("manager1", "方案\n店长乙 10:32 已上架 · 券 123")


async def test_a_stranger_gets_a_binding_hint_and_no_data(stage: Stage) -> None:
    await stage.say("方案", user="nobody")
    await stage.run()

    ((user, text),) = stage.platform.sent
    assert user == "nobody"
    assert "绑定：nobody" in text
    assert await stage.rows(select(CardRow)) == []


async def test_a_handler_that_fails_is_tried_again_and_then_answered(stage: Stage) -> None:
    await stage.say("坏")
    await stage.run()
    assert stage.platform.sent == []

    stage.broken.good = True
    stage.now += timedelta(seconds=3)
    await stage.run()

    assert stage.platform.sent == [("manager1", "好了")]


async def test_work_under_way_is_not_taken_twice_by_its_own_process(stage: Stage) -> None:
    """While the database is gone a lease cannot be lengthened; the process still knows what it is at."""
    await stage.say("久")
    assert await stage.dispatcher.step() == 1
    stage.now += timedelta(minutes=5)
    assert await stage.dispatcher.step() == 0
    stage.long.may_end.set()
    await stage.dispatcher.pool.drain()
    await stage.run()
    assert stage.platform.sent == [("manager1", "终于")]


async def test_a_poison_message_ends_dead_with_its_reason_and_an_apology(stage: Stage) -> None:
    await stage.say("坏")
    for _ in range(6):
        await stage.run()
        stage.now += timedelta(minutes=1)

    async with stage.database.read() as session:
        row = (await session.scalars(select(Inbox))).one()
    assert (row.status, row.attempts, row.error) == ("dead", 5, "ValueError: database is on fire")
    assert stage.platform.sent == [("manager1", APOLOGY)]


async def test_what_the_platform_may_take_later_is_sent_later(stage: Stage) -> None:
    stage.platform.errors = [TryLater("频率超限", 5)]
    await stage.say("方案")
    await stage.run()
    assert await stage.outbox() == [("queued", "频率超限")]

    stage.now += timedelta(seconds=6)
    await stage.run()

    assert await stage.outbox() == [("sent", None)]


async def test_a_retry_does_not_repeat_the_pieces_that_have_gone_out(stage: Stage) -> None:
    stage.platform.pieces = 3
    stage.platform.errors = [None, TryLater("频率超限", 5)]
    await stage.say("方案")
    await stage.run()
    assert len(stage.platform.sent) == 1

    stage.now += timedelta(seconds=6)
    await stage.run()

    assert [key.rpartition(":")[2] for key in stage.platform.keys] == ["0", "1", "2"]
    assert await stage.outbox() == [("sent", None)]


async def test_what_is_too_late_is_not_sent(stage: Stage) -> None:
    await stage.say("方案")
    await stage.dispatcher.step()
    await stage.dispatcher.pool.drain()
    async with stage.database.write() as session:
        (await session.scalars(select(Outbox))).one().expire_at = stage.now - timedelta(seconds=1)
    await stage.run()

    assert stage.platform.sent == []
    assert await stage.outbox() == [("expired", TOO_LATE)]


async def test_refused_and_unknown_sends_keep_their_reason(stage: Stage) -> None:
    stage.platform.errors = [Refused("不在可见范围"), Unknown("超时，可能已送达")]
    await stage.say("方案", "m1")
    await stage.say("方案", "m2", "hq1")
    await stage.run()

    assert sorted(await stage.outbox()) == [("failed", "不在可见范围"), ("unknown", "超时，可能已送达")]


@pytest.mark.parametrize(("repeatable", "ends"), [(True, "sent"), (False, "unknown")])
async def test_an_interrupted_send_is_repeated_only_where_that_is_safe(
    stage: Stage, repeatable: bool, ends: str
) -> None:
    stage.platform.repeatable = repeatable
    await stage.say("方案")
    await stage.dispatcher.step()
    await stage.dispatcher.pool.drain()
    async with stage.database.write() as session:
        row = (await session.scalars(select(Outbox))).one()
        row.status, row.owner, row.lease_until, row.attempts = "sending", "dead process", stage.now, 1

    stage.now += timedelta(seconds=1)
    await stage.run()

    assert [status for status, _ in await stage.outbox()] == [ends]


async def test_a_message_that_came_too_late_is_not_answered_and_says_why(stage: Stage) -> None:
    address = Address("wecom", "user:manager1", "manager1")
    await stage.receive(Update("demo", "m1", "other", address, stage.now, note=STALE))
    await stage.run()

    assert stage.platform.sent == []
    (row,) = await stage.rows(select(Inbox))
    assert (row.status, row.error) == ("dead", TOO_OLD)
