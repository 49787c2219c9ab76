"""Birthdays as people tell them: month and day in the solar or in the lunar calendar."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

from db.seed.streams import stream

LUNAR = 0.15
YEAR_UNTOLD = 0.08
YOUNGEST, OLDEST = 19, 64
LEAP_DAY_EVERY = 400  # one member in this many was born on 29 February
LUNAR_TODAY_EVERY = 3  # in every third store somebody's lunar birthday is today


class Birthdays:
    """Birthdays one after another; each store has somebody today and somebody tomorrow, so that a demo is not dull."""

    def __init__(self, as_of: date) -> None:
        self._rng = stream("birthdays")
        self._as_of = as_of
        self._drawn = 0
        self._by_store: dict[int, int] = {}

    def draw(self, store: int) -> dict[str, Any]:
        """Return the birthday columns of the next member of the store with this number."""
        self._drawn += 1
        nth = self._by_store[store] = self._by_store.get(store, 0) + 1
        if nth == 1:
            return self._on(self._as_of)
        if nth == 2:
            return self._on(self._as_of + timedelta(days=1))
        if nth == 3 and store % LUNAR_TODAY_EVERY == 0:
            return _columns("lunar", None, *lunar_month_and_day(self._as_of))
        if self._drawn % LEAP_DAY_EVERY == 0:
            return _columns("solar", self._year() // 4 * 4, 2, 29)
        return self._any()

    def _any(self) -> dict[str, Any]:
        result = self._lunar() if self._rng.random() < LUNAR else self._solar()
        return {**result, "birth_year": None} if self._rng.random() < YEAR_UNTOLD else result

    def _year(self) -> int:
        return self._as_of.year - self._rng.randint(YOUNGEST, OLDEST)

    def _solar(self) -> dict[str, Any]:
        born = self._as_of - timedelta(days=self._rng.randint(YOUNGEST * 366, OLDEST * 365))
        return _columns("solar", born.year, born.month, born.day)

    def _lunar(self) -> dict[str, Any]:
        year = self._year()
        month, days = self._rng.choice(lunar_months(year))
        return _columns("lunar", year, month, self._rng.randint(1, days))

    def _on(self, day: date) -> dict[str, Any]:
        """Return this day some decades ago; 29 February goes back to a leap year."""
        year = self._year()
        return _columns("solar", year // 4 * 4 if (day.month, day.day) == (2, 29) else year, day.month, day.day)


def _columns(calendar: str, year: int | None, month: int, day: int) -> dict[str, Any]:
    return {"birth_calendar": calendar, "birth_year": year, "birth_month": month, "birth_day": day}


@cache
def lunar_months(year: int) -> tuple[tuple[int, int], ...]:
    """Return (month, days) of a lunar year; who was born in a leap month celebrates in the plain one."""
    from lunar_python import LunarYear  # noqa: PLC0415 - only a seed needs it here

    return tuple((abs(month.getMonth()), month.getDayCount()) for month in LunarYear.fromYear(year).getMonthsInYear())


def lunar_month_and_day(day: date) -> tuple[int, int]:
    """Return the lunar month, leap months folded into the plain ones, and the day of it."""
    from lunar_python import Solar  # noqa: PLC0415 - only a seed needs it here

    lunar = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    return abs(lunar.getMonth()), lunar.getDay()
