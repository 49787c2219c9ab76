"""A file's name as a phone shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.file_name import MAX_CHARS, file_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("周报.xlsx", "周报.xlsx"),
        ("", "文件"),
        ("\x1f\n", "文件"),
        ("a\tb\x00c.pdf", "a b c.pdf"),
        ("../../etc/passwd", ".. .. etc passwd"),
        ("长" * 90 + ".pdf", "长" * 75 + "….pdf"),
        ("点." + "后" * 90, "点." + "后" * 77 + "…"),
    ],
)
def test_the_ending_is_kept_and_nothing_unprintable(name: str, shown: str) -> None:
    assert file_name(name) == shown


@given(st.text(max_size=300))
def test_every_name_fits_and_is_one_line(name: str) -> None:
    shown = file_name(name)
    assert 0 < len(shown) <= MAX_CHARS
    assert len(shown.splitlines()) == 1
