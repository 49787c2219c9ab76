"""In a group the answer is for all who read it; what concerns one person goes to that person alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select

from bot.recording import ASK_ALONE, TOLD_ALONE
from db.engine import Database
from db.models import CardPress, CardRow, Conversation, Message
from handlers.intents import Intent
from handlers.messages import Address, Button, Card, Press, Reply, Update
from handlers.router import Router
from handlers.turn import Turn
from tests.fakes.platform import FakePlatform
from tests.pipeline import Pipeline
from tests.rows import small_chain

PLAN = Card("plan", "方案", buttons=(Button("launch", "上架", "plan.launch"),))


@dataclass
class Numbers:
    """A number anybody may read."""

    intent: ClassVar[Intent] = Intent("report", re.compile("数字"))

    async def __call__(self, turn: Turn) -> Reply:
        return Reply.say("report", "GMV 12,345")


@dataclass
class Birthday:
    """Something about a member."""

    intent: ClassVar[Intent] = Intent("birthday", re.compile("生日"), private=True)

    async def __call__(self, turn: Turn) -> Reply:
        return Reply("birthday", Reply.say("", "王女士，生日快乐").parts, remember={"member_id": 7})


@dataclass
class Plan:
    """A card; its press is refused to clerks."""

    intent: ClassVar[Intent] = Intent("plan", re.compile("方案"), actions=frozenset({"plan.launch"}))

    async def __call__(self, turn: Turn) -> Reply:
        if turn.pressed is None:
            return Reply("plan", (PLAN,))
        if turn.person.role == "clerk":
            return Reply.say("refuse", "上架要店长来点")
        return Reply("execute", card=Card("plan", "方案", state=f"{turn.person.name} 已上架"))


class Room(Pipeline):
    """A group with a bot that answers the three."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.platform = FakePlatform()
        router = Router((Numbers(), Birthday(), Plan()))
        super().__init__(database, {(1, "wecom"): self.platform}, router, folder)
        self.count = 0

    async def say(self, text: str, user: str = "manager1", press: Press | None = None) -> None:
        self.count += 1
        address = Address("wecom", "chat:C1", user, group=True)
        kind = "press" if press else "text"
        await self.receive(Update("demo", f"m{self.count}", kind, address, self.now, text, press))  # type: ignore[arg-type]
        await self.run()

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(place, text) for place, (_, text) in zip(self.platform.places, self.platform.sent, strict=True)]


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> Room:
    await small_chain(database)
    return Room(database, tmp_path)


async def test_a_number_is_answered_in_the_group(room: Room) -> None:
    await room.say("数字")
    assert room.said == [("chat:C1", "GMV 12,345")]


async def test_a_members_data_goes_to_the_asker_alone(room: Room) -> None:
    await room.say("王女士生日")
    assert room.said == [("chat:C1", TOLD_ALONE), ("user:manager1", "王女士，生日快乐")]
    contexts = {row.key: row.context for row in await room.rows(select(Conversation))}
    assert contexts == {"chat:C1": {}, "user:manager1": {"member_id": 7}}


async def test_the_log_of_the_group_does_not_hold_what_was_said_alone(room: Room) -> None:
    await room.say("王女士生日")
    group = next(row.id for row in await room.rows(select(Conversation)) if row.key == "chat:C1")
    lines = await room.rows(select(Message.text).where(Message.conversation_id == group).order_by(Message.id))
    assert lines == ["王女士生日", TOLD_ALONE]


async def test_where_nobody_can_be_reached_alone_the_group_is_told_to_ask_alone(room: Room) -> None:
    room.platform.reaches_alone = False
    await room.say("王女士生日")
    assert room.said == [("chat:C1", ASK_ALONE)]


async def test_a_stranger_in_a_group_is_told_alone_how_to_be_bound(room: Room) -> None:
    await room.say("数字", user="nobody")
    (first, second) = room.said
    assert first == ("chat:C1", TOLD_ALONE)
    assert second[0] == "user:nobody"
    assert "绑定" in second[1]


async def test_a_refused_press_is_told_alone_and_changes_nothing_for_the_others(room: Room) -> None:
    await room.say("方案")
    (card,) = await room.rows(select(CardRow))
    await room.say("", user="clerk1", press=Press(card.public_id, "launch"))
    assert room.said[-1] == ("user:clerk1", "上架要店长来点")
    assert room.platform.updated == []
    (audit,) = await room.rows(select(CardPress))
    assert (audit.outcome, audit.staff_id, audit.user_id, audit.detail) == ("refused", 1, "clerk1", "上架要店长来点")


async def test_one_press_that_worked_is_one_row_of_audit_however_often_it_is_pressed(room: Room) -> None:
    await room.say("方案")
    (card,) = await room.rows(select(CardRow))
    for user in ("manager1", "manager1", "clerk1"):
        await room.say("", user=user, press=Press(card.public_id, "launch"))
    audit = [(row.outcome, row.staff_id, row.detail) for row in await room.rows(select(CardPress))]
    assert audit == [("changed", 2, "店长乙 已上架"), ("refused", 1, "上架要店长来点")]
    assert {text for _, text in room.platform.updated} == {"方案\n店长乙 已上架"}
