from __future__ import annotations

from datetime import date, timedelta

import pytest

from knowledge.almanac import days_off, festivals_near, festivals_of, named_in, next_of
from knowledge.lunar_dates import lunar_of, solar_terms


def names_on(day: date) -> list[str]:
    return [festival.name for festival in festivals_near(day, 0)]


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 2, 16), "除夕"),
        (date(2026, 2, 17), "春节"),
        (date(2026, 3, 3), "元宵节"),
        (date(2026, 6, 19), "端午节"),
        (date(2026, 8, 19), "七夕节"),
        (date(2026, 9, 25), "中秋节"),
        (date(2027, 9, 15), "中秋节"),
        (date(2026, 10, 18), "重阳节"),
        (date(2026, 1, 26), "腊八节"),
        (date(2025, 1, 28), "除夕"),  # the twelfth month has 29 days here
        (date(2027, 2, 5), "除夕"),
        (date(2026, 4, 5), "清明节"),
        (date(2026, 5, 10), "母亲节"),
        (date(2026, 6, 21), "父亲节"),
        (date(2026, 11, 26), "感恩节"),
        (date(2026, 11, 22), "小雪"),
        (date(2026, 11, 11), "双11"),
    ],
)
def test_a_festival_falls_on_its_day(day: date, name: str) -> None:
    assert name in names_on(day)


def test_a_leap_month_has_no_second_festival() -> None:
    assert [f.day for f in festivals_of(2020) if f.name == "端午节"] == [date(2020, 6, 25)]  # leap fourth month
    assert sum(f.name == "中元节" for f in festivals_of(2006)) == 1  # leap seventh month


@pytest.mark.parametrize("year", [1900, 1923, 1950, 2000, 2033, 2057, 2100])
def test_every_year_has_its_terms_and_never_raises(year: int) -> None:
    terms = solar_terms(year)
    assert len({name for name, _ in terms}) == len(terms) == 24
    day = date(year, 1, 1)
    while day.year == year:
        festivals_near(day, 1)
        day += timedelta(days=1)


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1899, 12, 31), date(2101, 1, 1), date(9999, 12, 31)])
def test_years_outside_the_chinese_calendar_still_have_fixed_days(day: date) -> None:
    assert lunar_of(day) is None
    assert isinstance(festivals_near(day, 60), list)


def test_lunar_dates_run_on_without_a_gap() -> None:
    day, before = date(1998, 1, 1), lunar_of(date(1997, 12, 31))
    while day.year < 2036:
        lunar = lunar_of(day)
        assert lunar is not None
        assert before is not None
        assert lunar.day == (1 if before.day == before.month_days else before.day + 1)
        day, before = day + timedelta(days=1), lunar


def test_customs_come_with_the_day() -> None:
    tomb_sweeping, ghosts = next_of("清明节", date(2026, 1, 1)), next_of("中元节", date(2026, 1, 1))
    dragon_boat = next_of("端午节", date(2026, 1, 1))
    assert tomb_sweeping is not None
    assert (tomb_sweeping.greeting_allowed, tomb_sweeping.wish) == (False, "安康")
    assert ghosts is not None
    assert (ghosts.greeting_allowed, ghosts.wish) == (False, "")
    assert dragon_boat is not None
    assert (dragon_boat.greeting_allowed, dragon_boat.wish) == (True, "安康")


def test_days_off_are_those_announced() -> None:
    assert days_off("春节", 2026) == "放假2月15日至2月23日，2月14日、2月28日上班"
    assert days_off("元旦", 2025) == "放假1月1日"


def test_a_year_that_is_not_announced_says_so() -> None:
    assert days_off("国庆节", 2027) == "放假安排以国务院通知为准"


@pytest.mark.parametrize(
    ("text", "day", "name"),
    [
        ("写个中秋祝福", date(2026, 8, 1), "中秋节"),
        ("新年祝福", date(2026, 11, 21), "元旦"),
        ("新年祝福", date(2026, 1, 10), "春节"),
        ("双十一文案", date(2026, 11, 1), "双11"),
        ("小雪节气", date(2026, 11, 1), "小雪"),
    ],
)
def test_a_sentence_names_the_nearest_festival_meant(text: str, day: date, name: str) -> None:
    festival = named_in(text, day)
    assert festival is not None
    assert festival.name == name


def test_a_sentence_without_a_festival_names_none() -> None:
    assert named_in("最近GMV怎么样", date(2026, 11, 21)) is None
