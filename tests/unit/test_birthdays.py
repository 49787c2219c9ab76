from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from db.engine import Database
from db.models import Member
from knowledge.address_terms import address_of, surname_of
from knowledge.birthdays import birthday_keys, birthdays_on, days_until, spoken_birthday
from tests.rows import small_chain


def member(member_id: int, calendar: str, month: int, day: int, store_id: int = 1, name: str = "王芳") -> Member:
    return Member(
        id=member_id,
        tenant_id=1,
        store_id=store_id,
        name=name,
        gender="female",
        birth_calendar=calendar,
        birth_month=month,
        birth_day=day,
        level="金卡",
        total_spent=Decimal("100.00"),
        joined_at=datetime(2025, 1, 1, tzinfo=UTC),
        preferences=["羊绒"],
    )


def test_29_february_is_kept_on_the_28th_of_a_common_year() -> None:
    assert ("solar", 2, 29) in birthday_keys(date(2027, 2, 28))
    assert ("solar", 2, 29) not in birthday_keys(date(2028, 2, 28))
    assert ("solar", 2, 29) in birthday_keys(date(2028, 2, 29))


def test_the_thirtieth_is_kept_on_the_29th_of_a_short_lunar_month() -> None:
    assert ("lunar", 12, 30) in birthday_keys(date(2027, 2, 5))  # 除夕 of a 29-day month
    assert ("lunar", 12, 30) in birthday_keys(date(2024, 2, 9))  # 除夕 of a 30-day month
    assert ("lunar", 12, 30) not in birthday_keys(date(2024, 2, 8))


def test_a_leap_month_counts_as_its_month() -> None:
    assert ("lunar", 6, 1) in birthday_keys(date(2025, 6, 25))
    assert ("lunar", 6, 1) in birthday_keys(date(2025, 7, 25))


@pytest.mark.parametrize("year", range(1950, 2031, 8))
def test_every_solar_birthday_comes_once_a_year(year: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(366)]
    kept = Counter(key for day in days if day.year == year for key in birthday_keys(day) if key[0] == "solar")
    assert len(kept) == 366
    assert set(kept.values()) == {1}


@pytest.mark.parametrize("new_year", [date(2024, 2, 10), date(2026, 2, 17), date(2027, 2, 6)])
def test_every_lunar_birthday_comes_once_in_a_year_without_a_leap_month(new_year: date) -> None:
    days = [new_year + timedelta(days=n) for n in range(355)]
    length = next(n for n, day in enumerate(days) if n > 300 and ("lunar", 1, 1) in birthday_keys(day))
    kept = Counter(key for day in days[:length] for key in birthday_keys(day) if key[0] == "lunar")
    assert len(kept) == 360
    assert set(kept.values()) == {1}


def test_days_until_the_next_birthday() -> None:
    assert days_until(member(1, "solar", 11, 21), date(2026, 11, 21)) == 0
    assert days_until(member(1, "lunar", 10, 14), date(2026, 11, 21)) == 1
    assert days_until(member(1, "solar", 13, 40), date(2026, 11, 21)) is None


def test_a_birthday_is_told_as_the_member_tells_it() -> None:
    assert spoken_birthday(member(1, "solar", 3, 8)) == "3月8日"
    told = [spoken_birthday(member(1, "lunar", 8, day)) for day in (1, 10, 15, 20, 21, 30)]
    assert told == ["农历八月初一", "农历八月初十", "农历八月十五", "农历八月二十", "农历八月廿一", "农历八月三十"]


async def test_members_are_found_in_their_stores_only(database: Database) -> None:
    await small_chain(database)
    async with database.write() as session:
        session.add_all(
            [
                member(1, "solar", 11, 21),
                member(2, "lunar", 10, 13),
                member(3, "solar", 11, 22),
                member(4, "solar", 11, 21, store_id=2),
            ]
        )
    async with database.read() as session:
        found = await birthdays_on(session, 1, [1], date(2026, 11, 21))
        assert [m.id for m in found] == [1, 2]
        assert await birthdays_on(session, 2, [1, 2], date(2026, 11, 21)) == []


@pytest.mark.parametrize(
    ("name", "gender", "age", "address"),
    [
        ("王芳", "female", 35, "王女士"),
        ("李雷", "male", None, "李先生"),
        ("欧阳娜娜", "female", None, "欧阳女士"),
        ("诸葛亮", "male", None, "诸葛先生"),
        ("欧阳", "male", None, "欧先生"),
        ("赵敏", "unknown", 30, "赵敏"),
        ("小明", "male", 12, "小明"),
        ("Anna Li", "female", 30, "Anna Li"),
        ("", "female", None, "贵宾"),
    ],
)
def test_the_form_of_address(name: str, gender: str, age: int | None, address: str) -> None:
    assert address_of(name, gender, age) == address


def test_a_compound_surname_is_kept_whole() -> None:
    assert surname_of("司马光") == "司马"
