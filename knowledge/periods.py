"""Stretches of days as people say them, under one set of conventions.

A week is Monday to Sunday. 最近/近/过去 N 天 are N complete days ending yesterday; 近 N 周 are N complete weeks; 近 N
个月 are rolling calendar months ending yesterday. 本周, 本月, 今年 run to date and are unfinished. A bare month or day
is the most recent one that has begun. Today is handed in; nothing here asks the clock.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from knowledge.numerals import NUMERAL, read_number

DAY = timedelta(days=1)
MOST_DAYS, MOST_MONTHS = 1100, 36  # three years; more is a typing slip
DEFAULT_DAYS = 7
PREVIOUS = "上一期"


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` up to but not including `after`.

    `shift_days` or `shift_months` says how far back the period before it lies; `unfinished` that its last day is
    still running.
    """

    first: date
    after: date
    label: str
    unfinished: bool = False
    shift_days: int = 0
    shift_months: int = 0
    other_year: bool = False  # touches a year that is not today's, so dates are written with it

    @property
    def last(self) -> date:
        """The last day in it."""
        return self.after - DAY

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.after - self.first).days

    def previous(self) -> Period:
        """Return the period before: equally long, or the same part of the month (week, year) before."""
        if self.shift_months:
            return self._moved(-self.shift_months)
        back = timedelta(days=self.shift_days or self.days)
        return self._earlier(self.first - back, self.after - back)

    def year_before(self) -> Period:
        """Return the same days one year earlier."""
        return self._moved(-12)

    def _moved(self, months: int) -> Period:
        return self._earlier(add_months(self.first, months), min(add_months(self.after, months), self.first))

    def _earlier(self, first: date, after: date) -> Period:
        other_year = self.other_year or first.year != self.last.year
        return Period(first, after, PREVIOUS, False, self.shift_days, self.shift_months, other_year)

    def dates(self) -> str:
        """Return 11-14~11-20, with the years where they help."""
        form = "%Y-%m-%d" if self.other_year else "%m-%d"
        if self.days == 1:
            return self.first.strftime(form)
        return f"{self.first.strftime(form)}~{self.last.strftime(form)}"


def add_months(day: date, months: int) -> date:
    """Return the same day of another month, or its last day where it is shorter."""
    place = day.year * 12 + day.month - 1 + months
    year, month = place // 12, place % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def default_period(today: date) -> Period:
    """Return the last seven complete days, meant when a question names no time."""
    return last_days(today, DEFAULT_DAYS)


def last_days(today: date, days: int, label: str = "") -> Period:
    """Return that many complete days, ending yesterday."""
    return Period(today - days * DAY, today, label or f"最近{days}天", shift_days=days)


def find_periods(text: str, at: int, today: date) -> Iterator[tuple[int, Period]]:
    """Yield every period that the text names from this position on, with the position behind it."""
    for pattern, build in _RULES:
        match = pattern.match(text, at)
        if match is None:
            continue
        period = build(match, today)
        if period is not None and period.first < period.after:
            yield match.end(), replace(period, other_year=period.first.year != today.year)


_Build = Callable[[re.Match[str], date], Period | None]


def _to_date(first: date, today: date, label: str, *, shift_days: int = 0, shift_months: int = 0) -> Period:
    return Period(first, today + DAY, label, True, shift_days, shift_months)


def _single(day: date, today: date, label: str) -> Period:
    return Period(day, day + DAY, label, day == today, shift_days=1)


def _monday(today: date) -> date:
    return today - today.weekday() * DAY


# ------------------------------------------------------------------------------------------------------ days


def _relative_day(match: re.Match[str], today: date) -> Period:
    back = {"今": 0, "当": 0, "昨": 1, "前": 2, "大": 3}[match[0][0]]
    return _single(today - back * DAY, today, match[0])


def _recent_days(match: re.Match[str], today: date) -> Period | None:
    count = read_number(match["n"])
    return last_days(today, count, f"最近{count}天") if count and count <= MOST_DAYS else None


def _half_month(_match: re.Match[str], today: date) -> Period:
    return last_days(today, 15, "最近半个月")


# ----------------------------------------------------------------------------------------------------- weeks


def _recent_weeks(match: re.Match[str], today: date) -> Period | None:
    count = read_number(match["n"])
    if not count or count * 7 > MOST_DAYS:
        return None
    monday = _monday(today)
    return Period(monday - count * 7 * DAY, monday, f"最近{count}周", shift_days=count * 7)


def _week(match: re.Match[str], today: date) -> Period:
    back = match[0].count("上")
    if not back:
        return _to_date(_monday(today), today, "本周", shift_days=7)
    first = _monday(today) - 7 * back * DAY
    return Period(first, first + 7 * DAY, "上" * back + "周", shift_days=7)


def _weekday(match: re.Match[str], today: date) -> Period | None:
    named = "一二三四五六日天".index(match["day"]) % 7 if match["day"] != "天" else 6
    if match["which"]:
        day = _monday(today) - 7 * match["which"].count("上") * DAY + named * DAY
        return _single(day, today, match[0]) if day <= today else None
    return _single(today - (today.weekday() - named) % 7 * DAY, today, match[0])


def _weekend(match: re.Match[str], today: date) -> Period | None:
    back = 7 if "上" in match[0] else 0
    saturday = _monday(today) + (5 - back) * DAY
    after = min(saturday + 2 * DAY, today + DAY)
    return Period(saturday, after, match[0], after > today, shift_days=7) if saturday < after else None


# ---------------------------------------------------------------------------------------- months and beyond


def _recent_months(match: re.Match[str], today: date) -> Period | None:
    count = read_number(match["n"])
    if not count or count > MOST_MONTHS:
        return None
    return Period(add_months(today, -count), today, f"最近{count}个月", shift_months=count)


def _half_year(_match: re.Match[str], today: date) -> Period:
    return Period(add_months(today, -6), today, "最近半年", shift_months=6)


def _recent_years(match: re.Match[str], today: date) -> Period | None:
    count = read_number(match["n"])
    if not count or count * 12 > MOST_MONTHS:
        return None
    return Period(add_months(today, -12 * count), today, f"最近{count}年", shift_months=12 * count)


def _month(match: re.Match[str], today: date) -> Period:
    back = match[0].count("上")
    first = add_months(today.replace(day=1), -back)
    if not back:
        return _to_date(first, today, "本月", shift_months=1)
    return Period(first, add_months(first, 1), "上" * (back - 1) + "上个月", shift_months=1)


def _quarter(match: re.Match[str], today: date) -> Period:
    first = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    if "上" not in match[0]:
        return _to_date(first, today, "本季度", shift_months=3)
    return Period(add_months(first, -3), first, "上季度", shift_months=3)


def _year(match: re.Match[str], today: date) -> Period:
    first = today.replace(month=1, day=1)
    if match[0][0] == "去":
        return Period(add_months(first, -12), first, "去年", shift_months=12)
    return _to_date(first, today, "今年", shift_months=12)


def _named_month(match: re.Match[str], today: date) -> Period | None:
    month = read_number(match["m"])
    if not month or month > 12:
        return None
    year = int(match["y"]) if match["y"] else today.year - (month > today.month)
    first = date(year, month, 1)
    if (year, month) == (today.year, today.month):
        return _to_date(first, today, match[0], shift_months=1)
    return Period(first, add_months(first, 1), match[0], shift_months=1) if first <= today else None


# ---------------------------------------------------------------------------------------------- named dates


def _day(year: str | None, month: str | None, day: str, today: date) -> date | None:
    """Return the most recent day of this name, or None when there is no such day."""
    number, of_month = read_number(day), read_number(month) if month else today.month
    if not number or not of_month:
        return None
    try:
        if year:
            return date(int(year), of_month, number)
        named = date(today.year, of_month, number)
    except ValueError:
        return None
    if named <= today:
        return named
    return add_months(named, -12) if month else add_months(named, -1)


def _named_day(match: re.Match[str], today: date) -> Period | None:
    parts = match.groupdict()
    day = _day(parts.get("y"), parts.get("m"), parts["d"], today)
    return _single(day, today, match[0]) if day and day <= today else None


def _range(match: re.Match[str], today: date) -> Period | None:
    """Return both named days and what lies between; the end decides the year, and a turn of the year is crossed."""
    parts = {"y": None, "y2": None, **match.groupdict()}
    last = _day(parts["y2"] or parts["y"], parts["m2"] or parts["m"], str(parts["d2"]), today)
    if last is None or last > today:
        return None
    first = _day(parts["y"] or str(last.year), parts["m"], str(parts["d"]), today)
    if first is not None and first > last and first.month > last.month and not parts["y"]:
        first = add_months(first, -12)
    if first is None or first > last:
        return None
    return Period(first, last + DAY, match[0], last == today, shift_days=(last - first).days + 1)


def _shopping_day(match: re.Match[str], today: date) -> Period:
    month, day = {"双11": (11, 11), "双十一": (11, 11), "618": (6, 18), "双12": (12, 12), "双十二": (12, 12)}[
        match["e"]
    ]
    year = today.year - ((today.month, today.day) < (month, day) or bool(match["ago"]))
    return _single(date(year, month, day), today, match[0])


_SHOPPING_DAYS = {"双11": (11, 11), "双十一": (11, 11), "618": (6, 18), "双12": (12, 12), "双十二": (12, 12)}
_N = rf"(?P<n>{NUMERAL})"
_RECENT = r"(?:最近|近|过去)的?这?"
_SO_FAR = r"(?:至今|以来|到现在|到今天)?"
_Y = r"(?:(?P<y>20\d\d)年)"
_M = r"(?P<m>\d{1,2}|十[一二]?|[一二三四五六七八九])月"
_D = r"(?P<d>\d{1,2}|[一二三]?十[一二三四五六七八九]?|[一二三四五六七八九])[日号]"
_THAT_DAY = r"(?:当[天日])?"
_TO = r"(?:到|至|~|-|—|–)"
_M2 = _M.replace("<m>", "<m2>")
_D2 = _D.replace("<d>", "<d2>").replace("[日号]", "[日号]?")
_ISO = r"(?P<y>20\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"

_RULES: tuple[tuple[re.Pattern[str], _Build], ...] = tuple(
    (re.compile(pattern), build)
    for pattern, build in (
        (r"今[天日]|当[天日]|昨[天日]|大?前[天日]", _relative_day),
        (_RECENT + _N + r"个?[天日]", _recent_days),
        (r"前" + _N + r"[天日]", _recent_days),
        (rf"(?:{_RECENT})?半个?月", _half_month),
        (_RECENT + _N + r"个?(?:周|星期|礼拜)", _recent_weeks),
        (r"(?:本|这|这一)个?(?:周|星期|礼拜)" + _SO_FAR, _week),
        (r"上{1,2}一?个?(?:周|星期|礼拜)", _week),
        (r"(?P<which>上{1,2}|本|这)?个?(?:周|星期|礼拜)(?P<day>[一二三四五六日天])", _weekday),
        (r"(?:上|本|这)个?周末|周末", _weekend),
        (_RECENT + _N + r"个?月", _recent_months),
        (_RECENT + r"半年", _half_year),
        (_RECENT + _N + r"年", _recent_years),
        (r"(?:本|这|这个|当)月(?:初)?" + _SO_FAR + r"|月初(?:到今天|到现在|至今)", _month),
        (r"上{1,2}个?月", _month),
        (r"(?:本|这|这个)季度?" + _SO_FAR + r"|上一?个?季度", _quarter),
        (r"[今本]年" + _SO_FAR + r"|年初(?:到今天|到现在|至今)|去年", _year),
        (_Y + "?" + _M + r"份?", _named_month),
        (_Y + "?" + _M + _D + _THAT_DAY, _named_day),
        (_D, _named_day),
        (_ISO, _named_day),
        (_Y + "?" + _M + _D.replace("[日号]", "[日号]?") + _TO + rf"(?:(?P<y2>20\d\d)年)?(?:{_M2})?" + _D2, _range),
        (r"(?P<m>\d{1,2})-(?P<d>\d{1,2})" + _TO + r"(?P<m2>\d{1,2})-(?P<d2>\d{1,2})", _range),
        (_ISO + _TO + re.sub("<([ymd])>", r"<\g<1>2>", _ISO), _range),
        (r"(?P<ago>去年)?(?P<e>双11|双十一|618|双12|双十二)" + _THAT_DAY, _shopping_day),
    )
)
