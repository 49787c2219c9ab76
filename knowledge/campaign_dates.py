"""How long a campaign runs, read from a sentence: 7天, 两周, 半个月, 12月1日到12月7日, 到月底."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from knowledge.amounts import read_number
from knowledge.campaign import PlanInvalid

DAYS_IN = {"天": 1, "日": 1, "周": 7, "星期": 7, "礼拜": 7, "个月": 30}
FARTHEST_CROSSING = 92  # a range that crosses the new year is believed when it is at most a quarter long

NO_SUCH_DAY = "没有 {month}月{day}日 这一天，请换个日期"
END_BEFORE_START = "结束日期 {end} 早于开始日期 {start}，请把时间改一下"
ALREADY_OVER = "{end} 已经过去了，活动要从今天（{today}）或之后开始"
STARTED_IN_PAST = "开始日期 {start} 已经过去了，今天是 {today}"

_COUNT = r"(?P<sign>(?<![\d零一二两三四五六七八九十])[-−负])?(?P<count>\d+(?:\.\d+)?|[零一二两三四五六七八九十百]+)"
_UNIT = r"(?P<unit>天|日(?!期)|周(?![年末边一二三四五六日])|星期(?![一二三四五六日天])|礼拜(?![一二三四五六日天])|个月)"
# 最近30天 and 60天没来 describe members, not the campaign.
_LENGTH = re.compile(rf"(?<![近去月第\d]){_COUNT}个?{_UNIT}(?![内没未不以前后无]|左右没)")
_HALF = re.compile(r"(?<![近去])(?P<count>[一二两三\d])?个?半个?月(?!内|没|未|不)")

_MONTH = r"(?:\d{1,2}|[一二三四五六七八九十]+)"
_TO = "(?:到|至|~|-|—|–)+"
_NO_AMOUNT = r"(?![\d.万千wWkK折元])"  # 1.5-2.5万 is no date


def _day_pattern(prefix: str) -> str:
    """Return the pattern of 12月1日, 12.1, 2026年12月1日; its groups are named by the prefix."""
    year, month, day = (f"(?P<{prefix}{part}>" for part in ("year", "month", "day"))
    return rf"(?:{year}\d{{4}})[年/.-])?{month}{_MONTH})[月/.]{day}{_MONTH})[日号]?"


def _iso_pattern(prefix: str) -> str:
    return rf"(?P<{prefix}year>\d{{4}})-(?P<{prefix}month>\d{{1,2}})-(?P<{prefix}day>\d{{1,2}})"


_RANGES = [
    re.compile(f"从?{_iso_pattern('s')}(?:开始)?{_TO}{_iso_pattern('e')}"),
    re.compile(f"从?{_day_pattern('s')}(?:开始|起)?{_TO}{_day_pattern('e')}{_NO_AMOUNT}"),
]
_SAME_MONTH = re.compile(rf"从?(?P<month>{_MONTH})月(?P<sday>{_MONTH})[日号]?{_TO}(?P<eday>{_MONTH})[日号]")
_UNTIL = re.compile(f"(?:到|至|截止到?|截至){_day_pattern('e')}")
_UNTIL_MONTH_END = re.compile("(?:到|至|截止到?|截至)(?:这个月|本月)?月?[底末]")
_FROM = re.compile(f"从?{_day_pattern('s')}(?:开始|起|上线|上架)")


@dataclass(frozen=True, slots=True)
class Span:
    """How many days, and the first day when one was named."""

    days: int | None = None
    starts_on: date | None = None


def read_span(text: str, today: date) -> tuple[Span, str]:
    """Return the span of a normalised text and the text without it; `PlanInvalid` when the days make no sense."""
    for read in (_read_range, _read_same_month, _read_until, _read_length):
        span, rest = read(text, today)
        if span.days is not None:
            start, rest = (span.starts_on, rest) if span.starts_on else _read_start(rest, today)
            return Span(span.days, start), rest
    start, rest = _read_start(text, today)
    return Span(None, start), rest


def _read_range(text: str, today: date) -> tuple[Span, str]:
    for pattern in _RANGES:
        if found := pattern.search(text):
            first, last = _day(found, "s", today), _day(found, "e", today)
            return _span(first, last, today, fixed=bool(found["eyear"])), _without(text, found)
    return Span(), text


def _read_same_month(text: str, today: date) -> tuple[Span, str]:
    found = _SAME_MONTH.search(text)
    if not found:
        return Span(), text
    month = _small(found["month"])
    first, last = (_make(today.year, month, _small(found[name])) for name in ("sday", "eday"))
    return _span(first, last, today), _without(text, found)


def _read_until(text: str, today: date) -> tuple[Span, str]:
    if found := _UNTIL_MONTH_END.search(text):
        last = today.replace(day=calendar.monthrange(today.year, today.month)[1])
    elif found := _UNTIL.search(text):
        last = _in_coming_year(_day(found, "e", today), today)
    else:
        return Span(), text
    if last < today:
        raise PlanInvalid([ALREADY_OVER.format(end=_words(last), today=_words(today))])
    return Span((last - today).days + 1), _without(text, found)


def _read_length(text: str, _today: date) -> tuple[Span, str]:
    if found := _HALF.search(text):
        return Span(15 + 30 * (_small(found["count"]) if found["count"] else 0)), _without(text, found)
    if found := _LENGTH.search(text):
        count = read_number(found["count"]) or 0
        days = int(count * DAYS_IN[found["unit"]]) * (-1 if found["sign"] else 1)
        return Span(days), _without(text, found)
    return Span(), text


def _read_start(text: str, today: date) -> tuple[date | None, str]:
    found = _FROM.search(text)
    if not found:
        return None, text
    first = _in_coming_year(_day(found, "s", today), today)
    if first < today:
        raise PlanInvalid([STARTED_IN_PAST.format(start=_words(first), today=_words(today))])
    return first, _without(text, found)


def _span(first: date, last: date, today: date, *, fixed: bool = False) -> Span:
    """Settle the years of a range: 12月28日到1月3日 crosses the new year, 12月1日到11月30日 is a slip."""
    if last < first and not fixed:
        later = _next_year(last)
        last = later if (later - first).days < FARTHEST_CROSSING else last
    if last < first:
        raise PlanInvalid([END_BEFORE_START.format(start=_words(first), end=_words(last))])
    shifted = _in_coming_year(first, today)
    if not fixed and shifted != first:
        first, last = shifted, _next_year(last)
    if last < today:
        raise PlanInvalid([ALREADY_OVER.format(end=_words(last), today=_words(today))])
    if first < today:
        raise PlanInvalid([STARTED_IN_PAST.format(start=_words(first), today=_words(today))])
    return Span((last - first).days + 1, first)


def _in_coming_year(day: date, today: date) -> date:
    """A day that lies more than a quarter back is meant for next year: in November, 1月5日 is the coming January."""
    return _next_year(day) if (today - day).days > FARTHEST_CROSSING else day


def _next_year(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return day + timedelta(days=366)


def _day(found: re.Match[str], prefix: str, today: date) -> date:
    year = found[f"{prefix}year"]
    return _make(int(year) if year else today.year, _small(found[f"{prefix}month"]), _small(found[f"{prefix}day"]))


def _make(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise PlanInvalid([NO_SUCH_DAY.format(month=month, day=day)]) from error


def _small(text: str) -> int:
    return int(read_number(text) or 0)


def _words(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]};{text[found.end() :]}"
