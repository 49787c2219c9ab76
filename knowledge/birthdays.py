"""Whose birthday is it: solar and lunar birthdays as keys that an index finds.

A birthday that a year does not have is kept on the day before: 29 February on the 28th, the 30th of a lunar
month of 29 days on the 29th (so 腊月三十 always has its day). An intercalary month counts as the month it
repeats, because the record does not say in which of the two somebody was born: such a birthday comes twice then.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Member
from knowledge.lunar_dates import lunar_of

Calendar = Literal["solar", "lunar"]
BirthdayKey = tuple[Calendar, int, int]
LONGEST_YEAR = 385  # a lunar year with an intercalary month has at most 385 days

LUNAR_MONTHS = ("正月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "冬月", "腊月")
_TENS = ("初", "十", "廿", "三")
_UNITS = ("十", "一", "二", "三", "四", "五", "六", "七", "八", "九")
_ROUND_DAYS = {10: "初十", 20: "二十", 30: "三十"}


def birthday_keys(day: date) -> list[BirthdayKey]:
    """Return every (calendar, month, day) whose birthday is kept on this day."""
    keys: list[BirthdayKey] = [("solar", day.month, day.day)]
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        keys.append(("solar", 2, 29))
    lunar = lunar_of(day)
    if lunar is not None:
        keys.append(("lunar", lunar.month, lunar.day))
        if (lunar.day, lunar.month_days) == (29, 29):
            keys.append(("lunar", lunar.month, 30))
    return keys


def birthday_condition(day: date) -> ColumnElement[bool]:
    """Return the SQL condition for members whose birthday is kept on this day."""
    return or_(
        *(
            and_(Member.birth_calendar == calendar, Member.birth_month == month, Member.birth_day == number)
            for calendar, month, number in birthday_keys(day)
        )
    )


async def birthdays_on(session: AsyncSession, tenant_id: int, store_ids: Sequence[int], day: date) -> list[Member]:
    """Return the members of these stores whose birthday is kept on this day, by id."""
    query = (
        select(Member)
        .where(Member.tenant_id == tenant_id, Member.store_id.in_(store_ids), birthday_condition(day))
        .order_by(Member.id)
    )
    return list((await session.scalars(query)).all())


def days_until(member: Member, today: date) -> int | None:
    """Return in how many days the member's next birthday is kept; None for a date that does not exist."""
    return _countdown(today).get((member.birth_calendar, member.birth_month, member.birth_day))


@lru_cache(maxsize=16)
def _countdown(today: date) -> Mapping[tuple[str, int, int], int]:
    """Return the days until each birthday of the year, for the many members of a list."""
    days: dict[tuple[str, int, int], int] = {}
    for ahead in range(LONGEST_YEAR):
        for key in birthday_keys(today + timedelta(days=ahead)):
            days.setdefault(key, ahead)
    return days


def spoken_birthday(member: Member) -> str:
    """Return the birthday as the member tells it: 3月8日, or 农历八月十五."""
    if member.birth_calendar == "solar":
        return f"{member.birth_month}月{member.birth_day}日"
    return f"农历{LUNAR_MONTHS[(member.birth_month - 1) % 12]}{_lunar_day(member.birth_day)}"


def _lunar_day(day: int) -> str:
    tens, units = divmod(day, 10)
    return _ROUND_DAYS.get(day) or f"{_TENS[tens % 4]}{_UNITS[units]}"
