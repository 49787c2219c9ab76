"""Long texts in pieces: nothing lost, nothing torn, nothing left open."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.cut import cut_bytes, cut_chars_and_bytes
from bot.cards.graphemes import graphemes

# What texts are made of here: words, marks of sentences, emoji, white space; no Markdown.
WORDS = st.sampled_from(
    [
        "门店",
        "GMV",
        "¥1,234.50",
        "，",
        "。",
        "！」",
        "？",
        "；",
        " ",
        "\n",
        "\n\n",
        "  ",
        "👍🏽",
        "👨‍👩‍👧‍👦",
        "🇨🇳",
        "e\u0301",
        "1️⃣",
        "a",
        "https://e.com/a?b=1",
    ]
)
TEXTS = st.lists(WORDS, max_size=120).map("".join)
INLINE = st.sampled_from(
    [
        "门店",
        "，",
        "。",
        "👍🏽",
        "GMV 上升",
        " ",
        "**很要紧的话，一定要看**",
        "`code_x`",
        "[链接](https://e.com/a_b)",
        '<font color="warning">下降</font>',
    ]
)
CODE = st.lists(st.sampled_from(["SELECT 1;", "  x = '中文'", "", "y" * 30]), min_size=1, max_size=12).map(
    lambda lines: "\n".join(["```sql", *lines, "```"])
)
TABLE = st.integers(1, 12).map(
    lambda rows: "| 门店 | GMV |\n|---|---|\n" + "\n".join(f"| 店{n} | {n} |" for n in range(rows))
)
PARAGRAPH = st.lists(INLINE, min_size=1, max_size=20).map(" ".join)
DOCUMENTS = st.lists(st.one_of(PARAGRAPH, CODE, TABLE), max_size=6).map("\n\n".join)


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(24, 300))
def test_pieces_fit_and_lose_nothing(text: str, limit: int) -> None:
    pieces = cut_bytes(text, limit)
    assert all(piece.strip() and len(piece.encode()) <= limit for piece in pieces)
    assert squeezed("".join(pieces)) == squeezed(text)


@given(TEXTS, st.integers(32, 300))
def test_no_piece_tears_a_character(text: str, limit: int) -> None:
    pieces = cut_bytes(text, limit)
    whole = [one for one in graphemes(text) if not one.isspace()]
    assert [one for piece in pieces for one in graphemes(piece) if not one.isspace()] == whole


@given(st.text(max_size=2000), st.integers(12, 200), st.integers(12, 400))
def test_any_text_at_all_fits_both_limits(text: str, chars: int, size: int) -> None:
    for piece in cut_chars_and_bytes(text, chars, size):
        assert len(piece) <= chars
        assert len(json.dumps(piece, ensure_ascii=False).encode()) - 2 <= size


@given(DOCUMENTS, st.integers(160, 600))
def test_marks_are_closed_in_every_piece(text: str, limit: int) -> None:
    for piece in cut_bytes(text, limit):
        assert len(piece.encode()) <= limit
        prose = re.sub(r"^```.*?^```$", "", piece, flags=re.MULTILINE | re.DOTALL)
        assert "```" not in prose
        assert prose.count("**") % 2 == 0
        assert prose.count("`") % 2 == 0
        assert prose.count("<font") == prose.count("</font>")
        assert len(re.findall(r"\[链接\]\(https://e\.com/a_b\)", prose)) == prose.count("[") == prose.count("https:")
        assert not re.search(r"^\| 店", prose, re.MULTILINE) or "|---|" in prose


@given(DOCUMENTS, st.integers(160, 600))
def test_only_marks_are_added(text: str, limit: int) -> None:
    marks = re.compile(r"```(?:sql)?|\*\*|`|</?font[^>]*>|\| 门店 \| GMV \||\|---\|---\|")
    joined = "\n".join(cut_bytes(text, limit))
    assert squeezed(marks.sub("", joined)) == squeezed(marks.sub("", text))


def test_a_text_that_fits_is_left_as_it_is() -> None:
    text = "# 标题\n\n- 一\n  - 二\n\n```\na\n```"
    assert cut_bytes(text, 2048) == [text]


@pytest.mark.parametrize("text", ["", " \n\u3000\n ", "\ud800"])
def test_nothing_becomes_no_piece(text: str) -> None:
    assert cut_bytes(text, 100) == []


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("一二三四\n五六七八九十", 24, ["一二三四", "五六七八九十"]),
        ("一二三四。」五六七八", 24, ["一二三四。」", "五六七八"]),
        ("一二三四，五六七八", 24, ["一二三四，", "五六七八"]),
        ("hello brave new world", 14, ["hello brave", "new world"]),
        ("¥12,345,678.90", 9, ["¥12,345,", "678.90"]),  # no better place
        ("一二三四五六。", 18, ["一二三四五", "六。"]),  # no piece begins with a full stop
        ("看这里 https://e.com/abc 好", 24, ["看这里", "https://e.com/abc 好"]),
    ],
)
def test_the_best_place_is_taken(text: str, limit: int, pieces: list[str]) -> None:
    assert cut_bytes(text, limit) == pieces


def test_bold_goes_on_in_the_next_piece() -> None:
    assert cut_bytes("**一二三四，五六七八九十一二三四五六**", 40) == ["**一二三四，五六七八九十一**", "**二三四五六**"]


def test_code_is_fenced_in_every_piece_and_keeps_its_indent() -> None:
    lines = [f"  line {number}" for number in range(6)]
    pieces = cut_bytes("\n".join(["```py", *lines, "```"]), 50)
    assert all(piece.startswith("```py\n  line") and piece.endswith("\n```") for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n")[1:-1]] == lines


def test_code_left_open_is_closed() -> None:
    assert cut_bytes("```\na", 100) == ["```\na\n```"]
    assert cut_bytes("````md\n```\na", 100) == ["````md\n```\na\n````"]


def test_a_piece_must_have_room_for_a_character() -> None:
    with pytest.raises(ValueError, match="8"):
        cut_bytes("中", 7)


def test_a_table_repeats_its_heading() -> None:
    rows = [f"| 门店{n} | {n} |" for n in range(9)]
    pieces = cut_bytes("\n".join(["| 门店 | GMV |", "|---|---|", *rows]), 120)
    assert len(pieces) > 1
    assert all(piece.startswith("| 门店 | GMV |\n|---|---|\n| 门店") for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n")[2:]] == rows


def test_a_link_longer_than_a_piece_is_cut_for_want_of_better() -> None:
    pieces = cut_bytes("见 https://e.com/" + "a" * 100, 48)
    assert pieces[0] == "见"
    assert "".join(pieces) == "见https://e.com/" + "a" * 100


def test_what_json_escapes_counts_as_it_is_written() -> None:
    assert [len(piece) for piece in cut_chars_and_bytes('"' * 100, 80, 100)] == [50, 50]
    assert [len(piece) for piece in cut_chars_and_bytes("\x01" * 40, 80, 120)] == [20, 20]
