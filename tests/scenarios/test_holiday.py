from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from handlers.holiday import HolidayHandler
from handlers.messages import Card, Reply, Text
from knowledge.drafts import Drafts
from tests.daily_rows import LOCAL_NOW, card_in, press, press_value, say

HOLIDAY = HolidayHandler(Drafts())


async def ask(text: str, day: date = date(2026, 9, 22)) -> Reply:
    return await HOLIDAY(replace(say(text), now=datetime.combine(day, LOCAL_NOW.timetz())))


def told(reply: Reply) -> str:
    [text] = reply.parts
    assert isinstance(text, Text)
    return text.text


async def test_a_named_festival_gets_its_greeting() -> None:
    card = card_in((await ask("写个中秋祝福")).parts)
    assert card.title == "中秋节祝福"
    assert card.text.startswith("中秋节快到了")
    assert "放假9月25日至9月27日" in card.text
    assert dict(card.fields)["日期"] == "9月25日 · 还有 3 天"


async def test_without_a_name_the_nearest_is_taken() -> None:
    assert card_in((await ask("写个节日祝福", date(2026, 9, 24))).parts).title == "中秋节祝福"


async def test_a_person_is_addressed_when_one_is_named() -> None:
    assert card_in((await ask("给欧阳女士写个中秋祝福")).parts).text.startswith("欧阳女士，")


async def test_joy_is_not_wished_on_tomb_sweeping_day() -> None:
    card = card_in((await ask("写个清明祝福", date(2026, 4, 5))).parts)
    assert card.title == "清明节问候"
    assert "快乐" not in card.text.split("\n\n")[0]
    assert "不说「快乐」" in card.text


async def test_nothing_is_written_for_a_day_of_sacrifice() -> None:
    text = told(await ask("写个中元节祝福", date(2026, 8, 20)))
    assert "不适合给顾客发祝福" in text
    assert "「写个白露祝福」" in text


async def test_the_next_festivals_are_listed() -> None:
    text = told(await ask("最近有什么节日"))
    assert "- 9月23日 周三 秋分（明天）" in text
    assert "- 9月25日 周五 中秋节（还有 3 天）" in text
    assert "「写个秋分祝福」" in text


async def test_when_is_a_festival() -> None:
    assert told(await ask("重阳节是哪天")).startswith("重阳节：10月18日 · 还有 26 天。")


async def test_next_years_festival_names_its_year() -> None:
    card = card_in((await ask("写个中秋祝福", date(2026, 11, 21))).parts)
    assert dict(card.fields)["日期"] == "2027年9月15日 · 还有 298 天"
    assert card.text.startswith("中秋节到了")
    assert "放假安排以国务院通知为准" in card.text


async def test_another_greeting_on_the_same_card() -> None:
    card = card_in((await ask("给王女士写个中秋祝福")).parts)
    reply = await HOLIDAY(press(card, "again"))
    assert reply.card is not None
    assert reply.card.text != card.text
    assert reply.card.text.startswith("王女士，")


async def test_a_press_outlives_the_festival() -> None:
    value = {"festival": "中秋节", "day": "2025-10-06", "address": "", "again": 3}
    reply = await HOLIDAY(press_value(Card("holiday", "中秋节祝福"), "holiday.again", value))
    assert reply.card is not None


@pytest.mark.parametrize(
    "text", ["写个中秋祝福", "最近有什么节日", "端午安康文案", "国庆节是哪天", "双11文案", "下个节日是什么"]
)
def test_what_is_said_about_festivals_is_claimed(text: str) -> None:
    assert HOLIDAY.intent.strong is not None
    assert HOLIDAY.intent.strong.search(text)


@pytest.mark.parametrize("text", ["国庆期间GMV", "中秋活动预算3万", "给王女士写个生日祝福", "双11销售额同比"])
def test_other_sentences_are_not(text: str) -> None:
    assert HOLIDAY.intent.strong is not None
    assert not HOLIDAY.intent.strong.search(text)


async def test_a_festival_the_calendar_does_not_know_is_not_replaced_by_another() -> None:
    reply = await ask("写个愚人节祝福")
    assert reply.intent == "ask_back"
    assert "日历里没有这个节日" in told(reply)
