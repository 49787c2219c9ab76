"""A press is answered with the card as it is then, within the five seconds WeCom waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.cards.aibot_card import FINISHED_KEY
from bot.platforms.aibot.presses import WORKING
from db.models import Outbox
from handlers.router import GONE
from tests.demo_server import eventually
from tests.scenarios.aibot.stage import DONE, HASTY, ON_SQLITE, REFUSED, Stage, finished, stage_of

pytestmark = ON_SQLITE


@pytest.fixture
async def card(stage: Stage) -> dict[str, Any]:
    """A card on the phone of zhangsan."""
    said = await finished(stage, await stage.aibot.say("zhangsan", "方案"))
    assert said.card is not None
    return said.card


@pytest.fixture
async def hasty(stage: Stage) -> AsyncIterator[Stage]:
    """Another replica, which does not wait long for the result of a press."""
    async with stage_of(stage.database, stage.aibot, stage.clock, owner="hasty", timing=HASTY) as one:
        one.aibot.target = one.url
        yield one


@asynccontextmanager
async def working(stage: Stage) -> AsyncIterator[None]:
    """Dispatch while the block runs; nothing is delivered."""
    over = asyncio.Event()

    async def loop() -> None:
        while not over.is_set():
            await stage.way.dispatcher.step()
            await asyncio.sleep(0.01)

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        over.set()
        await task


async def after_the_hold(stage: Stage) -> None:
    """Work when the time is over for which an update is left to the answer of its press."""
    await stage.dispatch()
    stage.clock.now += stage.platform.update_hold + timedelta(seconds=1)
    await stage.run()


async def test_the_press_is_answered_with_the_whole_card(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        shown = await stage.aibot.press("zhangsan", card, "launch")
    assert shown is not None
    assert shown["main_title"] == {"title": "方案", "desc": "店长乙 10:32 已上架 · 券 123"}
    assert [button["key"] for button in shown["button_list"]] == [FINISHED_KEY]


async def test_what_the_answer_showed_is_not_sent_again(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        await stage.aibot.press("zhangsan", card, "launch")
    await eventually(stage.outbox, lambda rows: [status for _, status, _ in rows] == ["sent", "sent"])
    await stage.run()
    assert stage.aibot.responses == []
    async with stage.database.read() as session:
        row = (await session.scalars(select(Outbox).where(Outbox.kind == "card_update"))).one()
    assert (row.payloads, row.attempts) == ([{"update": card["task_id"]}], 1)


async def test_a_press_in_a_group_changes_the_card_of_everybody(stage: Stage) -> None:
    said = await finished(stage, await stage.aibot.say("zhangsan", "方案", chat="C1"))
    assert said.card is not None
    async with working(stage):
        shown = await stage.aibot.press("zhangsan", said.card, "launch", chat="C1")
    assert shown is not None


async def test_words_alone_leave_the_card_and_go_by_the_response_url(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        assert await stage.aibot.press("zhangsan", card, "no") is None
    await stage.run()
    assert [one.text for one in stage.aibot.responses] == [REFUSED]


async def test_a_result_that_is_late_is_announced_and_comes_once_as_a_message(
    hasty: Stage, card: dict[str, Any]
) -> None:
    hasty.plan.gate.clear()
    async with working(hasty):
        shown = await hasty.aibot.press("zhangsan", card, "launch")
        assert shown is not None
        assert shown["main_title"]["desc"] == WORKING
        assert [button["key"] for button in shown["button_list"]] == ["launch", "no"]
        hasty.plan.gate.set()
    await after_the_hold(hasty)
    assert [one.text for one in hasty.aibot.responses] == ["方案\n店长乙 10:32 已上架 · 券 123"]
    assert [status for _, status, _ in await hasty.outbox()] == ["sent", "sent"]


async def test_two_presses_at_once_show_the_same_card(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        shown = await asyncio.gather(*(stage.aibot.press("zhangsan", card, "launch") for _ in range(2)))
    assert shown[0] == shown[1] is not None


async def test_a_finished_card_pressed_shows_itself_and_asks_for_nothing(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        done = await stage.aibot.press("zhangsan", card, "launch")
    assert done is not None
    assert await stage.aibot.press("zhangsan", done, FINISHED_KEY) == done
    assert len(await stage.inbox()) == 2


async def test_a_press_on_a_card_that_is_gone_is_told_so(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        assert await stage.aibot.press("zhangsan", {**card, "task_id": "c-unknown"}, "launch") is None
    await stage.run()
    assert [one.text for one in stage.aibot.responses] == [GONE]


async def test_a_press_behind_a_slow_question_is_answered_in_time(hasty: Stage, card: dict[str, Any]) -> None:
    hasty.saying.gate.clear()
    await hasty.aibot.say("zhangsan", "很慢的问题")
    async with working(hasty):
        shown = await hasty.aibot.press("zhangsan", card, "launch")
        hasty.saying.gate.set()
    assert shown is not None
    assert shown["main_title"]["desc"] == WORKING


async def test_an_answer_nobody_waits_for_leaves_the_update_to_delivery(stage: Stage, card: dict[str, Any]) -> None:
    stage.plan.gate.clear()
    async with working(stage):
        await stage.aibot.press_and_hang_up("zhangsan", card, "launch", seconds=0.1)
        stage.plan.gate.set()
        await asyncio.sleep(0.2)
    await after_the_hold(stage)
    assert [one.text for one in stage.aibot.responses] == ["方案\n店长乙 10:32 已上架 · 券 123"]


async def test_a_card_that_cannot_be_drawn_is_left_to_delivery(stage: Stage, card: dict[str, Any]) -> None:
    stage.plan.done = replace(DONE, title="")
    async with working(stage):
        assert await stage.aibot.press("zhangsan", card, "launch") is None
    await after_the_hold(stage)
    assert [one.text for one in stage.aibot.responses] == ["店长乙 10:32 已上架 · 券 123"]


async def test_a_claimed_update_whose_process_dies_is_delivered(stage: Stage, card: dict[str, Any]) -> None:
    async with working(stage):
        await stage.aibot.press("zhangsan", card, "launch")
    async with stage.database.write() as session:
        row = (await session.scalars(select(Outbox).where(Outbox.kind == "card_update"))).one()
        row.status, row.owner, row.lease_until = "sending", "dead", stage.clock.now + timedelta(seconds=60)
    await stage.run()
    assert stage.aibot.responses == []
    stage.clock.now += timedelta(seconds=61)
    await stage.run()
    assert [one.text for one in stage.aibot.responses] == ["方案\n店长乙 10:32 已上架 · 券 123"]
