"""Routing: rules first, the model only where they are unsure, three suggestions that work at last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from handlers.intents import HandlerError, Intent
from handlers.messages import Reply, Text
from handlers.router import GONE, NOT_UNDERSTOOD, Router
from handlers.turn import Person, PressedCard, Turn
from tests.rows import NOW

PERSON = Person(1, 1, "店长", "manager", (1,))


@dataclass(frozen=True)
class Echo:
    intent: Intent

    async def __call__(self, turn: Turn) -> Reply:
        return Reply.say(self.intent.name, turn.text)


@dataclass(frozen=True)
class Refusing(Echo):
    async def __call__(self, turn: Turn) -> Reply:
        raise HandlerError("预算多少？", "plan")


@dataclass
class Model:
    answer: str | None
    asked: list[Sequence[str]]

    async def classify(self, text: str, intents: Sequence[str]) -> str | None:
        self.asked.append(intents)
        return self.answer


REPORT = Echo(Intent("report", re.compile("GMV|报表"), example="最近7天GMV"))
DIAGNOSE = Echo(Intent("diagnose", re.compile("为什么|下降"), example="复购率为什么下降"))
EXECUTE = Echo(Intent("execute", re.compile("上架"), actions=frozenset({"plan.launch"}), needs_context="plan"))
PLAN = Refusing(Intent("plan", re.compile("活动|预算"), weak=re.compile("上架"), example="做一个活动"))
HANDLERS = (EXECUTE, DIAGNOSE, PLAN, REPORT)


def turn(text: str, **more: object) -> Turn:
    return replace(Turn(PERSON, text, NOW), **more)  # type: ignore[arg-type]


async def ask(text: str, model: Model | None = None, **more: object) -> Reply:
    return await Router(HANDLERS, model).answer(turn(text, **more))


async def test_one_strong_word_decides() -> None:
    assert (await ask("最近7天GMV")).intent == "report"


async def test_two_strong_words_go_to_the_earlier_handler_without_a_model() -> None:
    assert (await ask("GMV为什么下降")).intent == "diagnose"


async def test_a_model_chooses_only_among_the_candidates() -> None:
    model = Model("report", [])

    assert (await ask("GMV为什么下降", model)).intent == "report"
    assert model.asked == [["diagnose", "report"]]


async def test_a_model_that_babbles_leaves_the_rules_in_charge() -> None:
    assert (await ask("GMV为什么下降", Model("drop tables", []))).intent == "diagnose"
    assert (await ask("你好呀", Model(None, []))).intent == "ask_back"


async def test_a_sure_rule_asks_no_model() -> None:
    model = Model("plan", [])
    await ask("最近7天GMV", model)
    assert model.asked == []


async def test_launching_by_word_needs_a_plan_in_the_conversation() -> None:
    assert (await ask("上架", context={"plan": {}})).intent == "execute"
    assert (await ask("上架")).parts == (Text("预算多少？"),)


async def test_an_unknown_sentence_gets_three_suggestions_that_work() -> None:
    reply = await ask("今晚吃什么")

    assert reply.intent == "ask_back"
    assert reply.parts[0] == Text(f"{NOT_UNDERSTOOD}\n1. 复购率为什么下降\n2. 做一个活动\n3. 最近7天GMV")
    picked = await ask("3", context=reply.remember)
    assert picked == Reply.say("report", "最近7天GMV")


async def test_a_press_goes_to_the_handler_of_its_action() -> None:
    pressed = PressedCard(1, "c", "plan", "open", {}, "plan.launch", {})
    assert (await ask("", pressed=pressed)).intent == "execute"


async def test_a_press_on_a_card_nobody_knows_says_so() -> None:
    pressed = PressedCard(0, "c", "", "", {}, "", {})
    assert (await ask("", pressed=pressed)).parts == (Text(GONE),)


async def test_full_width_letters_and_digits_are_read_as_plain_ones() -> None:
    reply = await ask("最近７天ＧＭＶ，谢谢！")
    assert (reply.intent, reply.parts) == ("report", (Text("最近7天GMV，谢谢！"),))
