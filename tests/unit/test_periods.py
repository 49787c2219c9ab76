"""The conventions of time, as a table; today is Saturday 2026-11-21."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.numerals import read_number
from knowledge.periods import Period, add_months, find_periods

TODAY = date(2026, 11, 21)


def read(text: str, today: date = TODAY) -> Period | None:
    """Return the period that the whole text names."""
    return next((period for end, period in find_periods(text, 0, today) if end == len(text)), None)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("今天", "2026-11-21", "2026-11-21"),
        ("昨天", "2026-11-20", "2026-11-20"),
        ("昨日", "2026-11-20", "2026-11-20"),
        ("前天", "2026-11-19", "2026-11-19"),
        ("大前天", "2026-11-18", "2026-11-18"),
        ("最近7天", "2026-11-14", "2026-11-20"),
        ("近七天", "2026-11-14", "2026-11-20"),
        ("过去两天", "2026-11-19", "2026-11-20"),
        ("最近十五天", "2026-11-06", "2026-11-20"),
        ("近30日", "2026-10-22", "2026-11-20"),
        ("前三天", "2026-11-18", "2026-11-20"),
        ("半个月", "2026-11-06", "2026-11-20"),
        ("最近半个月", "2026-11-06", "2026-11-20"),
        ("本周", "2026-11-16", "2026-11-21"),
        ("这周", "2026-11-16", "2026-11-21"),
        ("这个星期", "2026-11-16", "2026-11-21"),
        ("上周", "2026-11-09", "2026-11-15"),
        ("上个星期", "2026-11-09", "2026-11-15"),
        ("上上周", "2026-11-02", "2026-11-08"),
        ("上周三", "2026-11-11", "2026-11-11"),
        ("周三", "2026-11-18", "2026-11-18"),
        ("上周日", "2026-11-15", "2026-11-15"),
        ("上周末", "2026-11-14", "2026-11-15"),
        ("近一周", "2026-11-09", "2026-11-15"),
        ("近3周", "2026-10-26", "2026-11-15"),
        ("本月", "2026-11-01", "2026-11-21"),
        ("这个月", "2026-11-01", "2026-11-21"),
        ("本月至今", "2026-11-01", "2026-11-21"),
        ("月初至今", "2026-11-01", "2026-11-21"),
        ("上月", "2026-10-01", "2026-10-31"),
        ("上个月", "2026-10-01", "2026-10-31"),
        ("上上个月", "2026-09-01", "2026-09-30"),
        ("三月", "2026-03-01", "2026-03-31"),
        ("十二月", "2025-12-01", "2025-12-31"),
        ("十一月", "2026-11-01", "2026-11-21"),
        ("2025年9月", "2025-09-01", "2025-09-30"),
        ("近三个月", "2026-08-21", "2026-11-20"),
        ("近一个月", "2026-10-21", "2026-11-20"),
        ("近半年", "2026-05-21", "2026-11-20"),
        ("本季度", "2026-10-01", "2026-11-21"),
        ("上季度", "2026-07-01", "2026-09-30"),
        ("今年", "2026-01-01", "2026-11-21"),
        ("去年", "2025-01-01", "2025-12-31"),
        ("11月3日", "2026-11-03", "2026-11-03"),
        ("11月3号", "2026-11-03", "2026-11-03"),
        ("十一月三号", "2026-11-03", "2026-11-03"),
        ("12月24日", "2025-12-24", "2025-12-24"),
        ("3号", "2026-11-03", "2026-11-03"),
        ("25号", "2026-10-25", "2026-10-25"),
        ("9月1号到15号", "2026-09-01", "2026-09-15"),
        ("9月1日-9月15日", "2026-09-01", "2026-09-15"),
        ("12月20日到1月5日", "2025-12-20", "2026-01-05"),
        ("11-14~11-20", "2026-11-14", "2026-11-20"),
        ("2026-11-03", "2026-11-03", "2026-11-03"),
        ("2026-11-01~2026-11-05", "2026-11-01", "2026-11-05"),
        ("双11", "2026-11-11", "2026-11-11"),
        ("去年双十一", "2025-11-11", "2025-11-11"),
        ("双12", "2025-12-12", "2025-12-12"),
    ],
)
def test_a_phrase_means_these_days(text: str, first: str, last: str) -> None:
    period = read(text)
    assert period is not None
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "text", ["最近0天", "最近5000天", "2月30日", "13月", "11月20日到11月10日", "最近天", "近三个", "2026-13-01", ""]
)
def test_what_is_no_time_is_not_read_as_one(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "open_"), [("今天", True), ("本周", True), ("本月", True), ("上周", False), ("最近7天", False)]
)
def test_a_period_that_is_still_running_says_so(text: str, open_: bool) -> None:
    period = read(text)
    assert period is not None
    assert period.unfinished is open_


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("最近7天", "11-07~11-13"),
        ("昨天", "11-19"),
        ("本周", "11-09~11-14"),
        ("上周", "11-02~11-08"),
        ("本月", "10-01~10-21"),
        ("上个月", "09-01~09-30"),
        ("近三个月", "05-21~08-20"),
        ("今年", "2025-01-01~2025-11-21"),
        ("11月1日到11月5日", "10-27~10-31"),
    ],
)
def test_the_period_before(text: str, before: str) -> None:
    period = read(text)
    assert period is not None
    assert period.previous().dates() == before


def test_three_march_and_three_months_differ() -> None:
    assert read("三月") != read("三个月")


def test_a_leap_day_has_no_match_in_other_years() -> None:
    assert read("2月29日", date(2025, 3, 1)) is None
    assert add_months(date(2024, 2, 29), -12) == date(2023, 2, 28)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("三", 3),
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("两", 2),
        ("三十五", 35),
        ("一百零五", 105),
        ("7", 7),
        ("", None),
    ],
)
def test_numbers_in_characters(text: str, value: int) -> None:
    assert read_number(text) == value


@given(
    st.text(alphabet="上这本近最周月日天年号到至~-0123456789一二三十两半个去今昨前双", max_size=12),
    st.dates(date(2020, 1, 1), date(2035, 12, 31)),
)
def test_no_text_breaks_the_reader(text: str, today: date) -> None:
    for at in range(len(text)):
        for end, period in find_periods(text, at, today):
            assert at < end <= len(text)
            assert period.first < period.after
            assert period.first <= today
