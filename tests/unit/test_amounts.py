"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.amounts import normalised, read_number, yuan

DIGITS = "零一二三四五六七八九"


def in_chinese(number: int) -> str:
    """Write a number below a hundred million the careful way: 10005 is 一万零五."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        zero = "零" if 0 < low < 1000 else ""
        return f"{in_chinese(high)}万{zero}{in_chinese(low) if low else ''}"
    words, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            words += ("零" if gap and words else "") + DIGITS[digit] + name
        gap = digit == 0
    return words


@given(st.integers(min_value=1, max_value=99_999_999))
def test_every_number_written_out_is_read_back(number: int) -> None:
    assert read_number(in_chinese(number)) == number


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_none(text: str) -> None:
    assert read_number(text) is None or isinstance(read_number(text), Decimal)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3万", 30_000),
        ("30000", 30_000),
        ("30,000", 30_000),
        ("３万", 30_000),
        ("三万五", 35_000),
        ("3万5", 35_000),
        ("1万5000", 15_000),
        ("2.5万", 25_000),
        ("10w", 100_000),
        ("10W", 100_000),
        ("5k", 5_000),
        ("5千", 5_000),
        ("3千5", 3_500),
        ("一百二", 120),
        ("一百零二", 102),
        ("十五万", 150_000),
        ("两万五千", 25_000),
        ("一亿三千万", 130_000_000),
        ("三万亿", 3_000_000_000_000),
        ("八五", 85),
        ("负三万", -30_000),
        ("-3万", -30_000),
    ],
)
def test_the_ways_to_write_an_amount(text: str, value: int) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "-", "abc", "三只", "1.2.3", "٣"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize("text", ["预算30000，7天", "预算30000,7天", "预算30000 7天", "预算３００００　7天"])
def test_two_numbers_beside_each_other_stay_two(text: str) -> None:
    assert normalised(text) == "预算30000;7天"


def test_a_blank_before_a_unit_does_not_cut_the_number() -> None:
    assert normalised("预算 5 万") == "预算5万"


def test_money_is_shown_with_thousands_and_cents_when_there_are_any() -> None:
    assert (yuan(30_000), yuan(Decimal("12.5")), yuan(Decimal("-3"))) == ("¥30,000", "¥12.50", "¥-3")
