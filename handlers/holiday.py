"""Festival greetings: 「写个中秋祝福」, 「给王女士写个中秋祝福」, 「最近有什么节日」."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from handlers.birthday import BY_MODEL, BY_TEMPLATE
from handlers.intents import HandlerError, Intent
from handlers.member_search import read_wanted
from handlers.messages import Button, Card, Outcome, Reply, Text
from handlers.turn import Turn
from knowledge.almanac import Festival, festivals_near, named_in, next_of, spoken_day, spoken_names
from knowledge.drafts import Drafts, Recipient

TITLE = "{name}祝福"
TITLE_CARE = "{name}问候"
WHEN = ("今天", "明天", "后天")
WHEN_LATER = "还有 {days} 天"
WEEKDAYS = "一二三四五六日"
COMING = "接下来的节日："
LINE = "- {day} 周{weekday} {name}（{when}）{note}"
HINT = "说「写个{name}祝福」就有草稿。"
NOTHING_SOON = "最近 {days} 天没有节日和节气。"
TOLD = "{name}：{day}。{note}"
DATE = "{day} · {when}"
NEXT_YEAR = "{year}年{day}"
OTHER = "可以改成下一个节日：「写个{name}祝福」。"
GONE = "这个节日在日历里找不到了，请重新说一次，比如「写个中秋祝福」。"
UNKNOWN = "日历里没有这个节日。说「最近有什么节日」，看看最近有哪些。"
AGAIN = "换一条"

LOOK_AHEAD = 45
LISTED = 6
_OTHER_DAY = re.compile("[^过季佳细环章关调枝]节(?![日气约省])")
_NAMES = "|".join(map(re.escape, spoken_names()))


@dataclass(frozen=True, slots=True)
class HolidayHandler:
    """Writes a festival greeting, or tells which festivals are near."""

    drafts: Drafts
    intent: ClassVar[Intent] = Intent(
        "holiday",
        strong=re.compile(
            rf"(?:{_NAMES}|节日|节气|过节).{{0,8}}(?:祝福|祝词|祝语|贺词|问候|文案|快乐|安康|短信)"
            rf"|(?:祝|贺).{{0,8}}(?:{_NAMES}|节日)|(?:什么|哪些|哪个|下一?个|最近|近期|快到).{{0,6}}(?:节日|节气|过节)"
            rf"|(?:{_NAMES}|节日).{{0,4}}(?:是哪天|几号|什么时候|还有几天)"
        ),
        weak=re.compile(r"节日|节气|祝福"),
        actions=frozenset({"holiday.again"}),
        example="写个中秋祝福",
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return a card with the greeting, or the list of what is near."""
        today = turn.now.date()
        if turn.pressed is not None:
            return await self._next_draft(turn, turn.pressed.value)
        festival = named_in(turn.text, today)
        wants_text = re.search(r"写|祝|贺|问候|文案|短信|编|拟", turn.text)
        if festival is None and not wants_text:
            return _list(today)
        if festival is None and _OTHER_DAY.search(turn.text):
            return Reply.say("ask_back", UNKNOWN)
        festival = festival or _nearest_to_greet(today)
        if not festival.wish or not wants_text:
            return Reply.say("holiday", _told(festival, today))
        return Reply(
            "holiday", (await self._card(turn, festival, _address(turn.text), 0),), outcome=_outcome([festival])
        )

    async def _next_draft(self, turn: Turn, value: Mapping[str, Any]) -> Reply:
        festival = next_of(str(value["festival"]), date.fromisoformat(str(value["day"])))
        if festival is None:
            raise HandlerError(GONE, "holiday")
        card = await self._card(turn, festival, str(value["address"]), int(value["again"]))
        return Reply("holiday", card=card)

    async def _card(self, turn: Turn, festival: Festival, address: str, again: int) -> Card:
        today = turn.now.date()
        with turn.trace.step("compose"):
            draft = await self.drafts.festival(Recipient(turn.person.staff_id, address), festival, today, again)
        value = {
            "festival": festival.name,
            "day": festival.day.isoformat(),
            "address": address,
            "again": again + 1,
        }
        title = TITLE if festival.greeting_allowed else TITLE_CARE
        return Card(
            "holiday",
            title.format(name=festival.name),
            text="\n\n".join(filter(None, [draft.text, festival.note])),
            fields=(("日期", _date_words(festival, today)),),
            buttons=(Button("again", AGAIN, "holiday.again", value),),
            footer=BY_MODEL if draft.source == "model" else BY_TEMPLATE,
        )


def _address(text: str) -> str:
    """Return how to address the person a sentence names; no record is needed for a name."""
    return read_wanted(text).address


def _nearest_to_greet(today: date) -> Festival:
    """Return the next festival with a wish; solar terms alone come every half month."""
    return next(f for f in festivals_near(today, LOOK_AHEAD) if f.wish)


def _list(today: date) -> Reply:
    found = festivals_near(today, LOOK_AHEAD)[:LISTED]
    if not found:
        return Reply.say("holiday", NOTHING_SOON.format(days=LOOK_AHEAD))
    lines = [_line(festival, today) for festival in found]
    sendable = next((f for f in found if f.wish), None)
    hint = [HINT.format(name=sendable.name)] if sendable else []
    return Reply("holiday", (Text("\n".join([COMING, *lines, *hint])),), outcome=_outcome(found))


def _line(festival: Festival, today: date) -> str:
    day = spoken_day(festival.day)
    weekday = WEEKDAYS[festival.day.weekday()]
    return LINE.format(day=day, weekday=weekday, name=festival.name, when=_when(festival, today), note=festival.note)


def _told(festival: Festival, today: date) -> str:
    """Say when it is and what the custom is; where nothing may be sent, name the next one that can."""
    told = TOLD.format(name=festival.name, day=_date_words(festival, today), note=festival.note)
    other = _nearest_to_greet(festival.day + timedelta(days=1))
    return told + ("" if festival.wish else OTHER.format(name=other.name))


def _date_words(festival: Festival, today: date) -> str:
    """Return the date, with its year where that is not this one, and how far away it is."""
    day = spoken_day(festival.day)
    if festival.day.year != today.year:
        day = NEXT_YEAR.format(year=festival.day.year, day=day)
    return DATE.format(day=day, when=_when(festival, today))


def _when(festival: Festival, today: date) -> str:
    days = (festival.day - today).days
    return WHEN[days] if 0 <= days < len(WHEN) else WHEN_LATER.format(days=days)


def _outcome(festivals: list[Festival]) -> Outcome:
    rows = [[f.name, f.day.isoformat(), f.kind] for f in festivals]
    return Outcome(report={"columns": ["节日", "日期", "类别"], "rows": rows})
