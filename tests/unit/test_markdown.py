"""One Markdown text in each client's dialect."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.blocks import read_blocks
from bot.cards.markdown import for_dingtalk, for_wecom_app, for_wecom_v2, plain
from bot.cards.wecom_text import has_markdown

TABLE = "| 门店 | GMV | 订单 |\n|:--|--:|---|\n| 静安店 | ¥1.2万 | 3 |\n| 朝阳店 | ¥0.9万 | |"
CODE = "```sql\nSELECT *  -- **as it is**\n```"

ANCHOR, NAMED = '<a href="https://e.com">看</a>', "[看](https://e.com)"

# Text, then as WeCom's app, its robots, DingTalk and plain words show it; None where it stays as it is.
CASES: dict[str, tuple[str, str | None, str | None, str | None, str]] = {
    "heading": ("## 本周要点", None, None, None, "本周要点"),
    "bold": ("**要紧** 的", None, None, None, "要紧 的"),
    "italic": ("很*要紧*，_真的_", "很要紧，真的", None, None, "很要紧，真的"),
    "no italic": ("3*4*5 与 snake_case_name", None, None, None, "3*4*5 与 snake_case_name"),
    "struck": ("~~旧价~~ 新价", "旧价 新价", "旧价 新价", "旧价 新价", "旧价 新价"),
    "code": ("见 `a_b_c` 与 `**x**`", None, None, None, "见 a_b_c 与 **x**"),
    "link": ("[口径](https://e.com/a_b_c)", None, None, None, "口径（https://e.com/a_b_c）"),
    "bare link": ("https://e.com/_x_/y", None, None, None, "https://e.com/_x_/y"),
    "link named by itself": ("[https://e.com](https://e.com)", None, None, None, "https://e.com"),
    "anchor": (ANCHOR, NAMED, NAMED, NAMED, "看（https://e.com）"),
    "image": ("![图](https://e.com/a.png)", "[图](https://e.com/a.png)", None, None, "[图]"),
    "colour": ('<font color="warning">下降</font>', None, "下降", "下降", "下降"),
    "other colour": ('<font color="#ff0000">下降</font>', "下降", "下降", "下降", "下降"),
    "html": ("<div><b>粗</b><br/>换行</div>", "粗\n换行", "粗\n换行", "粗  \n换行", "粗\n换行"),
    "no html": ("a<b 且 c>d，<think>想</think>", None, None, None, "a<b 且 c>d，<think>想</think>"),
    "mention": ("<@zhang> 请看", "@zhang 请看", "@zhang 请看", "@zhang 请看", "@zhang 请看"),
    "quote": ("> 顾客说好", None, None, None, "顾客说好"),
    "no quote": ("> 100 元", None, None, None, "> 100 元"),
    "list": ("- 甲\n  * 乙\n1. 丙", "· 甲\n  · 乙\n1. 丙", None, "- 甲  \n  * 乙  \n1. 丙", "· 甲\n  · 乙\n1. 丙"),
    "rule": ("甲\n\n---\n乙", "甲\n\n乙", None, "甲\n\n乙", "甲\n\n乙"),
    "lines": ("甲\n乙\n\n\n丙", None, None, "甲  \n乙\n\n丙", "甲\n乙\n\n\n丙"),
    "escaped": (r"2\*3", None, None, None, "2*3"),
    "code block": (CODE, "SELECT *  -- **as it is**", None, None, "SELECT *  -- **as it is**"),
    "table": (
        TABLE,
        "· **静安店**：GMV ¥1.2万，订单 3\n· **朝阳店**：GMV ¥0.9万",
        None,
        "- **静安店**：GMV ¥1.2万，订单 3  \n- **朝阳店**：GMV ¥0.9万",
        "· 静安店：GMV ¥1.2万，订单 3\n· 朝阳店：GMV ¥0.9万",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_client_gets_what_it_draws(case: str) -> None:
    text, app, v2, dingtalk, words = CASES[case]
    shown = (for_wecom_app(text), for_wecom_v2(text), for_dingtalk(text), plain(text))
    assert shown == tuple(text if one is None else one for one in (app, v2, dingtalk, words))


@pytest.mark.parametrize("reduce", [for_wecom_app, for_wecom_v2, for_dingtalk, plain])
def test_reducing_twice_changes_nothing_more(reduce: Callable[[str], str]) -> None:
    text = "\n\n".join(case[0] for name, case in CASES.items() if name not in {"escaped", "code", "code block"})
    assert reduce(reduce(text)) == reduce(text)


def test_blocks_of_dingtalk_stand_apart() -> None:
    assert for_dingtalk(f"甲\n{TABLE}\n{CODE}\n乙").split("\n\n")[0] == "甲"
    assert for_dingtalk(f"{CODE}\n乙") == f"{CODE}\n\n乙"


@given(st.text(st.sampled_from(list("甲|-`~*_#>[]()!<>@\n \\ab1.\x00")), max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    assert "\n".join(block.text for block in read_blocks(text)) == text
    for reduce in (for_wecom_app, for_wecom_v2, for_dingtalk, plain):
        assert "\x00" not in reduce(text)


@pytest.mark.parametrize(
    ("text", "marked"),
    [("## 标题", True), ("> 引用", True), ("`x`", True), ("**x**", True), ("> 100 元", False), ("1. 一\n#1 店", False)],
)
def test_only_what_wecom_draws_makes_a_markdown_message(text: str, marked: bool) -> None:
    assert has_markdown(text) is marked
