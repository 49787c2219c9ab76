"""The year as a shop sees it: statutory holidays, lunar festivals, solar terms and the days people shop for.

Customs stand with the day: whether a festive greeting is fitting at all, and which word ends it (快乐, or 安康
where 快乐 would offend). Days off come from `cn_workdays/{year}.json`, as announced; a year without a file
says so instead of guessing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from knowledge.lunar_dates import LunarDate, lunar_of, solar_terms

Kind = Literal["statutory", "lunar", "modern", "shopping", "term"]
# Of two festivals on one day the weightier comes first.
WEIGHT: dict[Kind, int] = {"statutory": 0, "lunar": 1, "modern": 2, "shopping": 3, "term": 4}
HAPPY, PEACEFUL, NO_WISH = "快乐", "安康", ""

NOTE_MOURNING = "清明重在追思，不说「快乐」，问候用「安康」。"
NOTE_DRAGON_BOAT = "端午多说「安康」。"
NOTE_ELDERS = "重阳敬老，祝「安康」更妥帖。"
NOTE_GHOSTS = "中元节是祭祀的日子，不适合给顾客发祝福。"
NOTE_MEMORIAL = "国家公祭日，不适合发祝福和促销。"
NOTE_LITTLE_YEAR = "北方腊月二十三，南方多过腊月二十四。"
DAYS_OFF = "放假{first}至{last}"
ONE_DAY_OFF = "放假{first}"
MAKE_UP = "，{days}上班"
NOT_ANNOUNCED = "放假安排以国务院通知为准"


@dataclass(frozen=True, slots=True)
class Festival:
    """A day worth knowing of.

    `greeting_allowed` is False where a festive 「快乐」 greeting would offend; `wish` is the word that fits then,
    and empty where nothing should be sent.
    """

    name: str
    day: date
    kind: Kind
    greeting_allowed: bool
    note: str = ""
    wish: str = HAPPY


@dataclass(frozen=True, slots=True)
class _Custom:
    kind: Kind
    wish: str = HAPPY
    note: str = ""
    greeting_allowed: bool = True


_CUSTOMS: dict[str, _Custom] = {
    "元旦": _Custom("statutory"),
    "春节": _Custom("statutory"),
    "除夕": _Custom("statutory"),
    "清明节": _Custom("statutory", PEACEFUL, NOTE_MOURNING, greeting_allowed=False),
    "劳动节": _Custom("statutory"),
    "端午节": _Custom("statutory", PEACEFUL, NOTE_DRAGON_BOAT),
    "中秋节": _Custom("statutory"),
    "国庆节": _Custom("statutory"),
    "元宵节": _Custom("lunar"),
    "龙抬头": _Custom("lunar", PEACEFUL),
    "七夕节": _Custom("lunar"),
    "中元节": _Custom("lunar", NO_WISH, NOTE_GHOSTS, greeting_allowed=False),
    "重阳节": _Custom("lunar", PEACEFUL, NOTE_ELDERS),
    "腊八节": _Custom("lunar", PEACEFUL),
    "小年": _Custom("lunar", HAPPY, NOTE_LITTLE_YEAR),
    "情人节": _Custom("modern"),
    "妇女节": _Custom("modern"),
    "520": _Custom("modern"),
    "儿童节": _Custom("modern"),
    "教师节": _Custom("modern"),
    "母亲节": _Custom("modern"),
    "父亲节": _Custom("modern"),
    "感恩节": _Custom("modern"),
    "平安夜": _Custom("modern"),
    "圣诞节": _Custom("modern"),
    "公祭日": _Custom("modern", NO_WISH, NOTE_MEMORIAL, greeting_allowed=False),
    "618": _Custom("shopping"),
    "双11": _Custom("shopping"),
    "双12": _Custom("shopping"),
}
_TERM = _Custom("term", PEACEFUL)

_SOLAR: dict[tuple[int, int], str] = {
    (1, 1): "元旦",
    (2, 14): "情人节",
    (3, 8): "妇女节",
    (5, 1): "劳动节",
    (5, 20): "520",
    (6, 1): "儿童节",
    (6, 18): "618",
    (9, 10): "教师节",
    (10, 1): "国庆节",
    (11, 11): "双11",
    (12, 12): "双12",
    (12, 13): "公祭日",
    (12, 24): "平安夜",
    (12, 25): "圣诞节",
}
# (month, weekday with Monday as 0, which one): name
_NTH_WEEKDAY: dict[tuple[int, int, int], str] = {(5, 6, 2): "母亲节", (6, 6, 3): "父亲节", (11, 3, 4): "感恩节"}
_LUNAR: dict[tuple[int, int], str] = {
    (1, 1): "春节",
    (1, 15): "元宵节",
    (2, 2): "龙抬头",
    (5, 5): "端午节",
    (7, 7): "七夕节",
    (7, 15): "中元节",
    (8, 15): "中秋节",
    (9, 9): "重阳节",
    (12, 8): "腊八节",
    (12, 23): "小年",
}
_TERMS = (
    "小寒 大寒 立春 雨水 惊蛰 春分 谷雨 立夏 小满 芒种 夏至 小暑 大暑 立秋 处暑 白露 秋分 寒露 霜降 立冬 小雪 大雪 冬至"
)
# What people say: the days that may be meant, the nearest of which is taken.
_ALIASES: dict[str, tuple[str, ...]] = {
    "新年": ("元旦", "春节"),
    "跨年": ("元旦",),
    "过年": ("春节",),
    "拜年": ("春节",),
    "新春": ("春节",),
    "年三十": ("除夕",),
    "清明": ("清明节",),
    "五一": ("劳动节",),
    "端午": ("端午节",),
    "中秋": ("中秋节",),
    "国庆": ("国庆节",),
    "十一长假": ("国庆节",),
    "元宵": ("元宵节",),
    "七夕": ("七夕节",),
    "中元": ("中元节",),
    "重阳": ("重阳节",),
    "腊八": ("腊八节",),
    "三八节": ("妇女节",),
    "女神节": ("妇女节",),
    "六一": ("儿童节",),
    "圣诞": ("圣诞节",),
    "双十一": ("双11",),
    "双十二": ("双12",),
}
NAMES: frozenset[str] = frozenset([*_CUSTOMS, *_TERMS.split()])


def festivals_near(day: date, ahead: int) -> list[Festival]:
    """Return what falls on `day` and the `ahead` days after it, the nearest and then the weightiest first."""
    last = date.fromordinal(min(day.toordinal() + ahead, date.max.toordinal()))
    years = range(day.year, last.year + 1)
    return [f for year in years for f in festivals_of(year) if day <= f.day <= last]


def next_of(name: str, day: date) -> Festival | None:
    """Return the next time a festival comes, today included; None for a name that is no festival."""
    return next((f for year in (day.year, day.year + 1) for f in _year(year) if f.name == name and f.day >= day), None)


def named_in(text: str, day: date) -> Festival | None:
    """Return the festival a sentence speaks of, by its name or what people call it; the nearest of several."""
    meant = [name for name in NAMES if name in text]
    meant += [name for alias, names in _ALIASES.items() if alias in text for name in names]
    found = [festival for name in meant if (festival := next_of(name, day)) is not None]
    return min(found, key=lambda f: (WEIGHT[f.kind] == WEIGHT["term"], f.day), default=None)


def spoken_names() -> tuple[str, ...]:
    """Return every word that may name a festival, the longest first."""
    return tuple(sorted({*NAMES, *_ALIASES}, key=lambda name: (-len(name), name)))


def festivals_of(year: int) -> tuple[Festival, ...]:
    """Return a calendar year's festivals in order; lunar ones and terms only for 1900 to 2100."""
    return _year(year) if date.min.year <= year <= date.max.year else ()


@lru_cache(maxsize=64)
def _year(year: int) -> tuple[Festival, ...]:
    if not date.min.year <= year <= date.max.year:
        return ()
    named = [*_solar_days(year), *_weekdays(year), *_lunar_days(year)]
    festivals = [_festival(name, day) for name, day in named]
    festivals += [_festival(name, day) for name, day in solar_terms(year) if name != "清明"]
    festivals += [_festival("清明节", day) for name, day in solar_terms(year) if name == "清明"]
    return tuple(sorted(festivals, key=lambda f: (f.day, WEIGHT[f.kind])))


def _festival(name: str, day: date) -> Festival:
    custom = _CUSTOMS.get(name, _TERM)
    festival = Festival(name, day, custom.kind, custom.greeting_allowed, custom.note, custom.wish)
    if custom.kind != "statutory":
        return festival
    return replace(festival, note=f"{festival.note}{days_off('春节' if name == '除夕' else name, day.year)}。")


def _solar_days(year: int) -> Iterator[tuple[str, date]]:
    for (month, day), name in _SOLAR.items():
        yield name, date(year, month, day)


def _weekdays(year: int) -> Iterator[tuple[str, date]]:
    for (month, weekday, which), name in _NTH_WEEKDAY.items():
        first = date(year, month, 1)
        yield name, first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _lunar_days(year: int) -> Iterator[tuple[str, date]]:
    day = date(year, 1, 1)
    while day.year == year:
        lunar = lunar_of(day)
        if lunar is None:
            return
        name = _lunar_name(lunar)
        if name:
            yield name, day
        if day == date.max:
            return
        day += timedelta(days=1)


def _lunar_name(lunar: LunarDate) -> str | None:
    if lunar.leap:
        return None  # festivals are kept in the regular month
    if lunar.month == 12 and lunar.day == lunar.month_days:
        return "除夕"
    return _LUNAR.get((lunar.month, lunar.day))


@lru_cache(maxsize=64)
def days_off(name: str, year: int) -> str:
    """Return when a statutory holiday is off and which weekend days are worked for it, or that it is not known."""
    source = files("knowledge").joinpath("cn_workdays", f"{year}.json")
    if not source.is_file():
        return NOT_ANNOUNCED
    for holiday in json.loads(source.read_text(encoding="utf-8"))["holidays"]:
        if holiday["name"] == name:
            return _off_words(holiday["first"], holiday["last"], holiday["workdays"])
    return NOT_ANNOUNCED


def _off_words(first: str, last: str, workdays: list[str]) -> str:
    template = ONE_DAY_OFF if first == last else DAYS_OFF
    words = template.format(first=spoken_day(date.fromisoformat(first)), last=spoken_day(date.fromisoformat(last)))
    worked = "、".join(spoken_day(date.fromisoformat(day)) for day in workdays)
    return words + (MAKE_UP.format(days=worked) if worked else "")


def spoken_day(day: date) -> str:
    """Return a day as people say it: 9月25日."""
    return f"{day.month}月{day.day}日"
