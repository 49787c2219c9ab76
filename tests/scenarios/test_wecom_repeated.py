"""WeCom's duplicate check between replicas: it catches a repeated attempt and lets a repeated answer through."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select, update

from bot.platforms.services import Services
from bot.platforms.wecom.platform import WecomPlatform
from bot.usage import UsageCounter
from db.engine import Database
from db.models import Outbox, StaffIdentity
from handlers.intents import Intent
from handlers.messages import Address, Reply, Update
from handlers.router import Router
from handlers.turn import Turn
from tests.fakes.wecom import DROP, SEND_PATH, Clock, FakeWecom
from tests.pipeline import SEALER, Pipeline
from tests.rows import NOW, small_chain


class Same:
    """Always the same answer."""

    intent: ClassVar[Intent] = Intent("help", re.compile("谁"))

    async def __call__(self, turn: Turn) -> Reply:
        return Reply.say("help", "您是店员甲")


class Replica(Pipeline):
    """One process of the bot, with its own client of the same WeCom."""

    def __init__(self, database: Database, wecom: FakeWecom, folder: Path, owner: str) -> None:
        usage = UsageCounter(database, lambda: NOW)
        services = Services(1, database, SEALER, usage, owner, lambda: self.now, lambda: self.now)
        self.wecom = WecomPlatform(wecom.settings, clock=NOW.timestamp, services=services)
        super().__init__(database, {(1, "wecom"): self.wecom}, Router((Same(),)), folder, owner)

    async def ask(self, key: str) -> None:
        await self.arrives(key)
        await self.deliver()

    async def arrives(self, key: str) -> None:
        await self.receive(Update("demo", key, "text", Address("wecom", "user:lily", "lily"), self.now, "我是谁"))
        await self.dispatch()


@pytest.fixture
async def wecom() -> AsyncIterator[FakeWecom]:
    async with FakeWecom(Clock(NOW.timestamp())).running() as fake:
        yield fake


@pytest.fixture
async def replicas(database: Database, wecom: FakeWecom, tmp_path: Path) -> AsyncIterator[list[Replica]]:
    await small_chain(database)
    async with database.write() as session:
        session.add(StaffIdentity(tenant_id=1, staff_id=1, platform="wecom", user_id="lily", created_at=NOW))
    made = [Replica(database, wecom, tmp_path, owner) for owner in "ab"]
    yield made
    for one in made:
        await one.wecom.close()


async def test_the_same_question_answered_by_two_replicas_is_answered_twice(
    replicas: list[Replica], wecom: FakeWecom
) -> None:
    await replicas[0].ask("m1")
    await replicas[1].ask("m2")
    assert len(wecom.screen("lily")) == 2


async def test_an_attempt_whose_answer_was_lost_is_repeated_and_shown_once(
    replicas: list[Replica], wecom: FakeWecom
) -> None:
    wecom.fail[SEND_PATH] += [DROP]
    await replicas[0].ask("m1")
    replicas[1].now += timedelta(minutes=1)
    await replicas[1].deliver()
    assert len(wecom.screen("lily")) == 1
    assert await replicas[0].rows(select(Outbox.status)) == ["sent"]


async def test_a_repeated_answer_whose_fate_is_not_known_is_left_to_a_person(
    replicas: list[Replica], wecom: FakeWecom
) -> None:
    """The check had to be off for it, so a second attempt could be shown twice."""
    await replicas[0].ask("m1")
    wecom.fail[SEND_PATH] += [DROP]
    await replicas[1].ask("m2")
    assert await replicas[0].rows(select(Outbox.status).order_by(Outbox.id)) == ["sent", "unknown"]


@pytest.mark.parametrize(("earlier", "outcome", "shown"), [((), "sent", 1), (("m1",), "unknown", 1)])
async def test_only_a_first_answer_is_sent_again_after_its_process_died_sending(
    replicas: list[Replica], wecom: FakeWecom, earlier: tuple[str, ...], outcome: str, shown: int
) -> None:
    """Nobody knows whether it went out; the duplicate check tells for a first answer, and is off for a repeated one."""
    for key in earlier:
        await replicas[0].ask(key)
    await replicas[1].arrives("m2")
    async with replicas[1].database.write() as session:
        died = {"status": "sending", "lease_until": replicas[1].now}
        await session.execute(update(Outbox).where(Outbox.sent_at.is_(None)).values(died))
    await replicas[1].deliver()
    assert (await replicas[0].rows(select(Outbox.status).order_by(Outbox.id)))[-1] == outcome
    assert len(wecom.screen("lily")) == shown
