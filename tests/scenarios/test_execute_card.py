"""上架 and 放弃 on the card and in words: what the person sees. On SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.crm.client import CrmClient
from db.engine import Database
from handlers.codec import dump_part
from handlers.crm_executor import CrmExecutor
from handlers.execute import ExecuteHandler
from handlers.messages import Button, Card, Reply, Text
from handlers.router import Router
from handlers.turn import Person, PressedCard, Turn
from tests.fakes.crm import FakeCrm
from tests.plans import CLERK, HQ, MANAGER, NOW, PLAN, PLAN_KEY, ledger, utc_now
from tests.rows import small_chain

CARD = Card(
    "plan",
    "活动方案：高价值老客促复购",
    buttons=(
        Button("launch", "上架", "plan.launch", {"plan": PLAN}, primary=True),
        Button("drop", "放弃", "plan.drop", {"plan": PLAN}),
    ),
)
LAUNCHED = "店长乙 10:32 已上架 · 券 100001"


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[FakeCrm]:
    async with FakeCrm(tmp_path / "crm.db").serve() as fake:
        yield fake


@pytest.fixture
async def handler(database: Database, crm: FakeCrm) -> AsyncIterator[ExecuteHandler]:
    await small_chain(database)
    client = CrmClient(crm.base_url, timeout_seconds=0.3)
    yield ExecuteHandler(CrmExecutor(database, client, Decimal(200_000), "test", utc_now, wait_seconds=0.2))
    await client.close()


def press(action: str, card: Card = CARD, person: Person = MANAGER, value: Mapping[str, Any] | None = None) -> Turn:
    pressed = PressedCard(
        card_id=1,
        public_id="c",
        kind_of_card="plan",
        state="open" if card.buttons else "done",
        content=dump_part(card),
        action=action,
        value={"plan": PLAN} if value is None else value,
    )
    return Turn(person, "", NOW, pressed=pressed)


def said(text: str, plan: dict[str, Any] | None = None, person: Person = MANAGER) -> Turn:
    return Turn(person, text, NOW, context={"plan": plan} if plan else {})


def text_of(reply: Reply) -> str:
    return "\n".join(part.text for part in reply.parts if isinstance(part, Text))


def shown(reply: Reply) -> tuple[str, list[str]]:
    """State line and buttons of the card the press leaves behind."""
    assert reply.card is not None, text_of(reply)
    return reply.card.state, [button.text for button in reply.card.buttons]


async def test_a_press_finishes_the_card(handler: ExecuteHandler) -> None:
    reply = await handler(press("plan.launch"))
    assert shown(reply) == (LAUNCHED, [])
    assert reply.outcome.plan == PLAN
    assert reply.outcome.execution is not None
    assert reply.outcome.execution["idempotency_key"] == PLAN_KEY


async def test_a_second_press_days_later_shows_the_first_state_with_its_day(handler: ExecuteHandler) -> None:
    await handler(press("plan.launch"))
    later = replace(press("plan.launch", person=HQ), now=NOW + timedelta(days=3))
    assert shown(await handler(later)) == ("店长乙 11月21日 10:32 已上架 · 券 100001", [])


async def test_a_failure_keeps_the_buttons_and_says_why(handler: ExecuteHandler, crm: FakeCrm) -> None:
    crm.plan("create", "refuse")
    reply = await handler(press("plan.launch"))
    assert shown(reply) == ("上架失败：CRM 拒绝了：余额不足。可以再点一次", ["上架", "放弃"])
    assert shown(await handler(press("plan.launch"))) == (LAUNCHED, [])


async def test_an_uncertain_result_says_that_a_repeat_is_safe(handler: ExecuteHandler, crm: FakeCrm) -> None:
    crm.plan("create", "timeout_after")
    crm.plan("find", "500", "500")
    state, buttons = shown(await handler(press("plan.launch")))
    assert state == "上架结果还不确定：CRM 没有应答，现在也查不到结果。再点一次是安全的，不会重复建券"
    assert buttons == ["上架", "放弃"]
    assert text_of(await handler(press("plan.drop"))).startswith("这个方案正在上架或结果还不确定")


async def test_a_clerk_changes_nothing(handler: ExecuteHandler, crm: FakeCrm, database: Database) -> None:
    for action in ("plan.launch", "plan.drop"):
        reply = await handler(press(action, person=CLERK))
        assert (reply.intent, reply.card) == ("refuse", None)
        assert text_of(reply) == "上架要店长、区域经理或总部来点"
    assert (crm.calls, await ledger(database)) == ([], [])


async def test_a_button_without_a_plan_is_answered(handler: ExecuteHandler) -> None:
    reply = await handler(press("plan.launch", value={}))
    assert reply.card is None
    assert text_of(reply).startswith("缺少「goal」")


async def test_dropping_finishes_the_card_and_forgets_the_plan(handler: ExecuteHandler, crm: FakeCrm) -> None:
    reply = await handler(press("plan.drop"))
    assert shown(reply) == ("店长乙 10:32 已放弃", [])
    assert dict(reply.remember) == {"plan": None, "plan_texts": None}
    assert crm.calls == []


async def test_an_old_copy_of_a_dropped_card_launches_nothing(handler: ExecuteHandler, crm: FakeCrm) -> None:
    dropped = (await handler(press("plan.drop"))).card
    assert dropped is not None
    reply = await handler(press("plan.launch", dropped))
    assert reply.card == dropped
    assert text_of(reply) == "这个方案已经放弃了，要做请重新说一句。"
    assert crm.calls == []


async def test_what_was_launched_cannot_be_dropped(handler: ExecuteHandler) -> None:
    finished = (await handler(press("plan.launch"))).card
    assert finished is not None
    assert shown(await handler(press("plan.drop"))) == (LAUNCHED, [])
    assert shown(await handler(press("plan.launch", finished))) == (LAUNCHED, [])
    assert "没有重复建券" in text_of(await handler(said("放弃", PLAN)))


async def test_words_launch_the_remembered_plan_and_give_a_receipt(handler: ExecuteHandler) -> None:
    first, second = await handler(said("好的，上架吧", PLAN)), await handler(said("执行", PLAN))
    receipt = [LAUNCHED, "券 100001 已发布：满300减50，最多 600 次", "活动 11月21日 至 11月27日，预算 ¥30,000"]
    assert text_of(first).split("\n") == receipt
    assert text_of(second).split("\n") == ["这个方案之前已经上架，没有重复建券。", *receipt]


async def test_words_that_only_mention_it_launch_nothing(handler: ExecuteHandler, crm: FakeCrm) -> None:
    for words in ("上架了吗", "先别上架", "不要执行", "上架新品要多久"):
        assert "请回复「上架」" in text_of(await handler(said(words, PLAN)))
    assert crm.calls == []


async def test_words_without_a_plan_get_an_example(handler: ExecuteHandler) -> None:
    reply = await Router([handler]).answer(said("上架"))
    assert text_of(reply).startswith("还没有可以上架的方案。先说一句要做什么")


async def test_a_clerks_words_are_refused(handler: ExecuteHandler, crm: FakeCrm) -> None:
    reply = await handler(said("上架", PLAN, CLERK))
    assert (reply.intent, crm.calls) == ("refuse", [])


async def test_words_can_drop_the_plan(handler: ExecuteHandler) -> None:
    reply = await handler(said("放弃这个方案", PLAN))
    assert dict(reply.remember) == {"plan": None, "plan_texts": None}
