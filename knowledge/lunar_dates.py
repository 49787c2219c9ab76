"""The Chinese calendar: a day's lunar date and the days of the 24 solar terms, for 1900 to 2100.

lunar_python computes them; a year is computed once and kept, because one date costs it a millisecond.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

FIRST_YEAR = 1900
LAST_YEAR = 2100
# The ordinal of a date is its Julian day number at noon minus this.
JULIAN_OFFSET = 1721425
# Terms at the edges of the library's table bear Latin names, because their Chinese ones stand there already.
LATIN_TERMS = {"DA_XUE": "大雪", "DONG_ZHI": "冬至", "XIAO_HAN": "小寒", "DA_HAN": "大寒"}


@dataclass(frozen=True, slots=True)
class LunarDate:
    """A day of the Chinese calendar; `leap` marks an intercalary month, `month_days` is 29 or 30."""

    year: int
    month: int
    day: int
    leap: bool
    month_days: int


@dataclass(frozen=True, slots=True)
class _Month:
    first: date
    year: int
    month: int
    leap: bool
    days: int


@lru_cache(maxsize=256)
def _months(year: int) -> tuple[_Month, ...]:
    """Return the lunar months that begin in this lunar year; an intercalary one has a negative number there."""
    from lunar_python import LunarYear  # noqa: PLC0415 - loaded when first needed

    return tuple(
        _Month(
            date.fromordinal(int(m.getFirstJulianDay() + 0.5) - JULIAN_OFFSET),
            m.getYear(),
            abs(m.getMonth()),
            m.getMonth() < 0,
            m.getDayCount(),
        )
        for m in LunarYear.fromYear(year).getMonthsInYear()
        if m.getYear() == year
    )


def lunar_of(day: date) -> LunarDate | None:
    """Return the lunar date of a day, or None outside 1900 to 2100."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    months = _months(day.year)
    if day < months[0].first:
        months = _months(day.year - 1)
    month = months[bisect_right(months, day, key=lambda m: m.first) - 1]
    return LunarDate(month.year, month.month, (day - month.first).days + 1, month.leap, month.days)


@lru_cache(maxsize=256)
def solar_terms(year: int) -> tuple[tuple[str, date], ...]:
    """Return the 24 solar terms of a calendar year in order; nothing outside 1900 to 2100.

    The moments behind the days are Beijing time, as printed in Chinese calendars.
    """
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return ()
    from lunar_python import Solar  # noqa: PLC0415 - loaded when first needed

    table = Solar.fromYmd(year, 6, 1).getLunar().getJieQiTable()
    moments = ((LATIN_TERMS.get(name, name), date(m.getYear(), m.getMonth(), m.getDay())) for name, m in table.items())
    return tuple(sorted({(name, day) for name, day in moments if day.year == year}, key=lambda term: term[1]))
