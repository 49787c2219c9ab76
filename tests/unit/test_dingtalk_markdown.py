"""Markdown as DingTalk draws it, and what is left of the rest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.dingtalk_markdown import MESSAGE_BYTES, MESSAGE_CHARS, drawn, split, streamed, title_of


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("一行\n又一行", "一行  \n又一行"),
        ("一段\n\n又一段", "一段\n\n又一段"),
        ("## 标题\n> 引用 **粗** *斜* [链接](https://x.cn)", "## 标题  \n> 引用 **粗** *斜* [链接](https://x.cn)"),
        ("* 一\n+ 二\n- [ ] 三\n- [x] 四\n  * 里面", "- 一  \n- 二  \n- 三  \n- 四  \n  - 里面"),
        ("**不是列表**\n*也不是*", "**不是列表**  \n*也不是*"),
        ("上\n---\n下\n\n***", "上  \n下"),
        ("原价 ~~200~~ 现价 160，约 ~~~", "原价 200 现价 160，约 ~~~"),
        ("一<br>二<br/>三", "一  \n二  \n三"),
        ('<font color="warning">红</font><p>段</p><div class="a">格</div>', "红段  \n格"),
        ("a<b and c>d，1 < 2 > 0，<3", "a<b and c>d，1 < 2 > 0，<3"),
        ("```html\n<b>原样</b>\n| a | b |\n---\n```", "```html\n<b>原样</b>\n| a | b |\n---\n```"),
        ("说\x07\x1b话", "说话"),
    ],
)
def test_what_is_drawn_otherwise_is_written_otherwise(written: str, shown: str) -> None:
    assert drawn(written) == shown


def test_a_table_becomes_a_list() -> None:
    table = "各店：\n| 门店 | GMV | 备注 |\n|---|:-:|--:|\n| 解放碑 | 12,345 | a\\|b |\n| 观音桥 | 9,876 |\n完"
    assert drawn(table).split("  \n") == [
        "各店：",
        "- **解放碑**：GMV 12,345，备注 a|b",
        "- **观音桥**：GMV 9,876",
        "完",
    ]


@pytest.mark.parametrize("text", ["| 只有 | 一行 |", "| a |\n| b |", "a | b\n--|--"])
def test_what_only_looks_like_a_table_stays(text: str) -> None:
    assert drawn(text) == text.replace("\n", "  \n")


def test_a_head_without_rows_keeps_its_words() -> None:
    assert drawn("| 门店 | GMV |\n|---|---|") == "门店，GMV"


def test_a_streaming_card_breaks_lines_with_tags_outside_lists_and_code() -> None:
    text = "一\n二\n- 三\n- 四\n> 五\n\n```\n六\n七\n```"
    assert streamed(text) == "一<br>二\n- 三\n- 四\n> 五\n\n```\n六\n七\n```"


def test_tags_do_not_get_into_a_title() -> None:
    assert title_of("<font color='info'>**最近7天**</font>\n…") == "最近7天"


def test_words_beside_a_fence_are_not_lost_when_the_block_is_split() -> None:
    long = "\n".join(f"{number:04d} " + "码" * 60 for number in range(120))
    pieces = split(f"```这一行很长很长很长很长很长很长很长\n{long}\n``` 尾巴")
    assert len(pieces) > 1
    joined = "\n".join(pieces)
    assert "这一行很长" in joined
    assert "尾巴" in joined
    assert all(f"{number:04d} " in joined for number in range(120))


MARKUP = st.text(st.sampled_from('字ab1 \n#>*-_`|~<>[]()😀"\\\t'), max_size=300)


@given(st.one_of(st.text(), MARKUP, st.builds(lambda text, times: text * times, MARKUP, st.integers(1, 60))))
def test_every_piece_fits_whatever_is_written(text: str) -> None:
    for piece in split(text):
        assert 0 < len(piece) <= MESSAGE_CHARS
        assert len(json.dumps(piece, ensure_ascii=False).encode()) <= MESSAGE_BYTES


@given(MARKUP)
def test_what_is_already_as_dingtalk_draws_it_stays_so(text: str) -> None:
    assert drawn(drawn(text)) == drawn(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>|~`*_-+#[]"), max_size=500))
def test_plain_words_are_never_lost(text: str) -> None:
    assert "".join("".join(split(text)).split()) == "".join(text.split())
