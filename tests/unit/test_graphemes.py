"""What a reader takes for one character stays one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.cut import shorten
from bot.cards.graphemes import boundary, graphemes


@pytest.mark.parametrize(
    "one",
    [
        "中",
        "e\u0301",  # é in two parts
        "👍🏽",
        "👨‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇨🇳",
        "1️⃣",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "❤️",
        "葛\U000e0100",  # a variant of a Chinese character
        "각",  # one Hangul syllable in its parts
        "ｶﾞ",
        "\r\n",
    ],
)
def test_what_is_one_is_not_torn(one: str) -> None:
    assert list(graphemes(f"好{one}好{one}")) == ["好", one, "好", one]


@pytest.mark.parametrize("two", ["中文", "🇨🇳🇯🇵", "👍👍", "ab", "\n\n", "가나"])
def test_what_is_two_may_be_cut(two: str) -> None:
    assert len(list(graphemes(two))) == 2


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(0, 40))
def test_boundaries_are_where_graphemes_end(text: str, at: int) -> None:
    ends, end = {0}, 0
    for one in graphemes(text):
        end += len(one)
        ends.add(end)
    assert end == len(text)
    if at <= len(text):
        assert boundary(text, at) == max(place for place in ends if place <= at)


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("王女士生日快乐", 7, "王女士生日快乐"),
        ("王女士生日快乐", 4, "王女士…"),
        ("好👨‍👩‍👧‍👦好", 5, "好…"),
        ("王女士 生日", 5, "王女士…"),
        ("👨‍👩‍👧‍👦！", 3, "…"),
        ("甲乙", 1, "…"),
        ("· 让利 280\n· 每人一次", 10, "· 让利 280…"),
        ("总让利不超过 ¥30,000，每人一次", 12, "总让利不超过…"),
        ("总让利不超过 ¥30,000，每人一次", 15, "总让利不超过 ¥30,000…"),
        ("到 2026-11-30 为止", 8, "到…"),
        ("GMV 43.9万元", 8, "GMV…"),
        ("12345678", 5, "…"),
        ("一件、两件、三件", 7, "一件、两件…"),
    ],
)
def test_a_text_is_shortened_between_characters(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short
