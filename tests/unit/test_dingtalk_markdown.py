"""Text in DingTalk's Markdown: its titles, its pieces, its line breaks on a streaming card."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.dingtalk_markdown import MESSAGE_BYTES, MESSAGE_CHARS, TITLE_CHARS, split, streamed, title_of


def test_what_dingtalk_does_not_draw_is_written_otherwise() -> None:
    text = "各店<br>原价 ~~200~~ 160\n| 门店 | GMV |\n|---|---|\n| 解放碑 | 12,345 |"
    assert split(text) == ["各店  \n原价 200 160\n\n- **解放碑**：GMV 12,345"]


def test_a_streaming_card_breaks_lines_with_tags_outside_lists_quotes_and_code() -> None:
    text = "一\n二\n- 三\n- 四\n> 五\n\n```\n六\n七\n```\n八\n九"
    assert streamed(text) == "一<br>二\n- 三\n- 四\n> 五\n\n```\n六\n七\n```\n\n八<br>九"


def test_what_stands_on_a_streaming_card_is_written_the_same_way_again() -> None:
    [piece] = split("一\n二\n- 三\n\n四")
    assert streamed(piece) == "一<br>二\n- 三\n\n四"


MARKUP = st.text(st.sampled_from('字ab1 \n#>*-_`|~<>[]()😀"\\\t\x01'), max_size=300)
LONG = st.builds(lambda text, times: text * times, MARKUP, st.integers(1, 60))


@given(st.one_of(st.text(), MARKUP, LONG))
def test_every_piece_fits_whatever_is_written(text: str) -> None:
    for piece in split(text):
        assert 0 < len(piece) <= MESSAGE_CHARS
        assert len(json.dumps(piece, ensure_ascii=False).encode()) <= MESSAGE_BYTES + 2


@given(st.one_of(st.text(), MARKUP))
def test_a_title_is_short_and_says_something(text: str) -> None:
    assert 0 < len(title_of(text)) <= TITLE_CHARS


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("<font color='info'>**最近7天**</font>\n…", "最近7天"),
        ("1. 第一件", "第一件"),
        ("[看这里](https://x.cn)", "看这里"),
    ],
)
def test_marks_do_not_get_into_a_title(text: str, title: str) -> None:
    assert title_of(text).startswith(title)
