"""The faq handler: what it claims, what it quotes, and how it asks back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from handlers.faq import FaqHandler
from handlers.intents import HandlerError
from handlers.messages import Text
from handlers.turn import Person, Turn
from knowledge.passages import Passage

CLERK = Person(1, 1, "店员甲", "clerk", (1,))
AOV = Passage("aov", "客单价怎么算", "客单价 = GMV ÷ 订单数。", 0.6, ("metric",))
UNITS = Passage("units", "销量怎么算", "件数之和。", 0.5, ("metric",))
FAR = Passage("far", "券叠加的风险", "……", 0.1, ("risk",), confident=False)


@dataclass
class Shelf:
    """A knowledge base with fixed passages that notes what was looked for."""

    passages: Sequence[Passage]
    asked: str = ""

    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        self.asked = text
        return self.passages


def turn(text: str) -> Turn:
    return Turn(CLERK, text, datetime(2026, 11, 21, 10, 30, tzinfo=ZoneInfo("Asia/Shanghai")))


def text_of(part: object) -> str:
    assert isinstance(part, Text)
    return part.text


async def test_the_best_passage_is_quoted_with_its_source_and_the_next_named() -> None:
    asked = turn("客单价怎么算")
    reply = await FaqHandler(Shelf([AOV, UNITS, FAR]))(asked)
    assert reply.intent == "faq"
    assert text_of(reply.parts[0]) == "客单价 = GMV ÷ 订单数。\n\n—— 知识库《客单价怎么算》\n相关：《销量怎么算》"
    assert "retrieve_kb" in asked.trace.timings_ms


async def test_a_weak_match_asks_back_with_titles_that_a_number_chooses() -> None:
    shelf = Shelf([FAR])
    reply = await FaqHandler(shelf)(turn("世界杯怎么用"))
    assert reply.intent == "ask_back"
    assert "1. 《券叠加的风险》" in text_of(reply.parts[0])
    assert reply.remember == {"suggestions": ["《券叠加的风险》"]}
    chosen = reply.remember["suggestions"][0]
    assert FaqHandler(shelf).intent.strong is not None
    assert FaqHandler.intent.strong is not None
    assert FaqHandler.intent.strong.search(chosen)
    await FaqHandler(shelf)(turn(chosen))
    assert shelf.asked == "券叠加的风险"


async def test_nothing_found_says_who_can_help() -> None:
    with pytest.raises(HandlerError, match="daogou kb load") as error:
        await FaqHandler(Shelf([]))(turn("口径"))
    assert error.value.intent == "faq"


@pytest.mark.parametrize(
    "text",
    [
        "客单价怎么算",
        "复购率口径是什么",
        "连带率是什么意思",
        "什么是GMV",
        "怎么绑定门店",
        "优惠券在哪里上架",
        "如何完成任务",
        "羊绒衫怎么洗",
    ],
)
def test_definitions_and_how_to_are_claimed(text: str) -> None:
    assert FaqHandler.intent.strong is not None
    assert FaqHandler.intent.strong.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "最近7天各门店GMV",
        "这周复购率为什么下降了",
        "今天天气怎么样",
        "给王女士写个生日祝福",
        "订单怎么回事，掉了这么多",
        "上架",
        "我的任务",
    ],
)
def test_other_questions_are_left_alone(text: str) -> None:
    assert FaqHandler.intent.strong is not None
    assert FaqHandler.intent.weak is not None
    assert not FaqHandler.intent.strong.search(text)
    assert not FaqHandler.intent.weak.search(text)


@pytest.mark.parametrize("text", ["两张券能一起用吗", "券能不能叠加", "做满减要注意什么", "怎么防薅羊毛"])
def test_other_questions_of_this_kind_are_a_weak_claim(text: str) -> None:
    assert FaqHandler.intent.weak is not None
    assert FaqHandler.intent.weak.search(text)
