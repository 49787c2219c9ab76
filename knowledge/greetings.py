"""The template library: which text a member gets on a day, chosen by arithmetic so that it can be chosen again.

A text is made of pieces (see greetings.toml). The combinations are numbered; a seed, the day and the count of
「换一条」 walk through the numbers in steps that share no divisor with how many there are. So the same day gives the
same text, one more step always gives another one, and as many members as there are combinations get different ones.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from string import Formatter

from knowledge.almanac import HAPPY, Festival, spoken_day
from knowledge.weather import Forecast, kind_of
from knowledge.wording_checks import Facts, check

NAMED_LEVELS = frozenset({"银卡", "金卡", "钻石"})  # 「普通会员」 is no compliment
SHORT_BIRTHDAY = "{who}，生日快乐，愿您平安喜乐！"
SHORT_WEATHER = "{city}{day}{low}到{high}度，{sky}，照顾好自己。"
SHORT_FESTIVAL = "{lead}，愿您一切安好。"
FOR_EVERYBODY = frozenset({"感恩节", "平安夜", "圣诞节"})  # 父亲节 or 教师节 concern some, their own lines say how
SOMEBODY = "朋友"
BELOW_ZERO = "零下{degrees}"
LEADS = ("今天是{name}", "明天就是{name}", "后天就是{name}")
# A greeting asked for weeks ahead is kept and sent on the day.
LEAD_SOON, LEAD_FAR = "{name}快到了", "{name}到了"
DAY_WORDS = ("今天", "明天", "后天")
SOON = timedelta(days=7)
TRIES = 12
# The golden section: the step that keeps neighbours far apart.
STEP_MEMBER, STEP_DAY, STEP_AGAIN = 0.618, 0.382, 0.271

Pieces = Sequence[str]
Slots = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seed:
    """What a choice depends on: whom the text is for, the day, and how often another one was asked for."""

    who: int
    day: date
    again: int = 0


@dataclass(frozen=True, slots=True)
class Library:
    """The pieces of greetings.toml."""

    openings: tuple[str, ...]
    wishes: tuple[str, ...]
    closings: tuple[str, ...]
    likes: Mapping[str, str]
    weather: Mapping[str, tuple[str, ...]]
    holiday: Mapping[str, tuple[str, ...]]
    named: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def library() -> Library:
    """Return the template library, read once."""
    raw = tomllib.loads(files("knowledge").joinpath("greetings.toml").read_text(encoding="utf-8"))
    birthday, holiday = raw["birthday"], raw["holiday"]
    return Library(
        openings=tuple(birthday["openings"]),
        wishes=tuple(birthday["wishes"]),
        closings=tuple(birthday["closings"]),
        likes=dict(birthday["likes"]),
        weather={kind: tuple(pieces) for kind, pieces in raw["weather"].items()},
        holiday={kind: tuple(pieces) for kind, pieces in holiday.items() if kind != "named"},
        named={name: tuple(pieces) for name, pieces in holiday["named"].items()},
    )


def spoken_likes(preferences: Sequence[str]) -> list[str]:
    """Return the preferences that may be spoken of to the customer, in the words for it."""
    likes = library().likes
    return [likes[preference] for preference in preferences if preference in likes]


def birthday_text(seed: Seed, facts: Facts, *, level: str = "", preference: str = "", bought: str = "") -> str:
    """Return a birthday greeting of at most 60 characters that passes the checks against `facts`."""
    shelf = library()
    slots = {
        "who": facts.address or SOMEBODY,
        "level": level if level in NAMED_LEVELS else "",
        "preference": preference,
        "bought": bought,
    }
    closings = [piece for piece in shelf.closings if "{bought}" in piece] if bought else shelf.closings
    return _choose(seed, slots, facts, (shelf.openings, shelf.wishes, closings)) or SHORT_BIRTHDAY.format(**slots)


def weather_text(seed: Seed, facts: Facts, forecast: Forecast, today: date) -> str:
    """Return a weather reminder for customers, for the day of the forecast."""
    shelf = library()
    rain = str(forecast.rain_probability) if forecast.rain_probability is not None and forecast.wet else ""
    slots = {
        "city": forecast.city,
        "day": day_word(forecast.day, today),
        "sky": forecast.sky.value,
        "low": degrees(forecast.low),
        "high": degrees(forecast.high),
        "rain": rain,
    }
    pieces = (shelf.weather[kind_of(forecast).value], shelf.weather["closings"])
    return _addressed(facts, _choose(seed, slots, facts, pieces) or SHORT_WEATHER.format(**slots))


def festival_text(seed: Seed, facts: Facts, festival: Festival, today: date) -> str:
    """Return a greeting for a festival, worded for how far away it is."""
    shelf = library()
    slots = {"festival": festival.name, "wish": festival.wish, "lead": lead_words(festival, today)}
    pieces = (_festival_lines(festival), shelf.holiday["closings"])
    return _addressed(facts, _choose(seed, slots, facts, pieces) or SHORT_FESTIVAL.format(**slots))


def _festival_lines(festival: Festival) -> tuple[str, ...]:
    """Return the festival's own lines, with the general ones of its kind where those fit the custom."""
    shelf = library()
    own = shelf.named.get(festival.name, ())
    if festival.kind == "term":
        return own + shelf.holiday["term"]
    for_all = festival.kind in {"statutory", "lunar"} or festival.name in FOR_EVERYBODY
    fits = for_all and festival.greeting_allowed and festival.wish == HAPPY
    return own + shelf.holiday["generic"] if fits else own


def _choose(seed: Seed, slots: Slots, facts: Facts, pieces: Sequence[Pieces]) -> str | None:
    """Return the chosen combination, or the next one along the walk that fits length and rules."""
    lists = _usable(pieces, slots)
    count = math.prod(map(len, lists))  # 0 when a list has no piece for what is known
    for attempt in range(TRIES if count else 0):
        text = "".join(_pick(_number(seed, attempt, count), lists)).format(**slots)
        if not check(_addressed(facts, text), facts):
            return text
    return None


def _number(seed: Seed, attempt: int, count: int) -> int:
    start = seed.who * coprime(count, STEP_MEMBER) + seed.day.toordinal() * coprime(count, STEP_DAY)
    return (start + (seed.again + attempt) * coprime(count, STEP_AGAIN)) % count


def _pick(number: int, lists: Sequence[Pieces]) -> Iterator[str]:
    """Yield the piece of each list that the combination's number stands for."""
    for pieces in lists:
        number, index = divmod(number, len(pieces))
        yield pieces[index]


def coprime(count: int, share: float) -> int:
    """Return the first number from `share` of `count` upwards that has no divisor in common with it."""
    step = max(1, round(count * share))
    while math.gcd(step, count) != 1:
        step += 1
    return step


def _usable(pieces: Sequence[Pieces], slots: Slots) -> list[list[str]]:
    return [[p for p in group if all(slots.get(name) for name in _slot_names(p))] for group in pieces]


@lru_cache(maxsize=512)
def _slot_names(piece: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(piece) if name)


def _addressed(facts: Facts, text: str) -> str:
    """Put the form of address in front of a text that has none."""
    return f"{facts.address}，{text}" if facts.address and facts.address not in text else text


def day_word(day: date, today: date) -> str:
    """Return 今天, 明天, 后天 or the date."""
    ahead = (day - today).days
    return DAY_WORDS[ahead] if 0 <= ahead < len(DAY_WORDS) else spoken_day(day)


def lead_words(festival: Festival, today: date) -> str:
    """Return how near a festival is: 今天是中秋节, 明天就是中秋节, 中秋节快到了."""
    away = festival.day - today
    if 0 <= away.days < len(LEADS):
        return LEADS[away.days].format(name=festival.name)
    template = LEAD_SOON if away <= SOON else LEAD_FAR
    return template.format(name=festival.name)


def degrees(value: int) -> str:
    """Return degrees as people say them: 零下3."""
    return str(value) if value >= 0 else BELOW_ZERO.format(degrees=-value)
