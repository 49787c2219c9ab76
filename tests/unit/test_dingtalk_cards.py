"""Neutral parts as DingTalk bodies, held by golden files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cards.dingtalk import as_list, render
from bot.cards.dingtalk_card import card_params
from bot.cards.dingtalk_markdown import split, title_of
from bot.platforms.base import CardRef
from handlers.messages import Button, Card, Chart, Part, Table, Text

GOLDEN = Path(__file__).parents[1] / "fixtures" / "dingtalk"
REF = CardRef("c-42")

PLAN = Card(
    kind_of_card="plan",
    title="老客促复购方案",
    text="给高价值老客做一个促复购活动。\n- 满200减40\n- 有效期7天",
    fields=(("预算", "30,000 元"), ("时长", "7 天")),
    buttons=(Button("launch", "上架", "execute.launch", primary=True), Button("cancel", "取消", "execute.cancel")),
    footer="数据截至 11-21 10:30",
)
FINISHED = replace(PLAN, buttons=(), state="王店长 10:32 已上架 · 券 123")
BY_STORE = Table(
    "最近7天",
    ("门店", "GMV", "订单数"),
    (("解放碑店", "12,345", "98"), ("观音桥店", "9,876", "71")),
)
BY_STORE_AND_DAY = Table(
    "最近7天，按天",
    ("门店", "日期", "GMV"),
    (("解放碑店", "11-19", "1,200"), ("解放碑店", "11-20", "1,500"), ("观音桥店", "11-19", "900")),
)
TREND = Chart("GMV 趋势", ("11-18", "11-19", "11-20"), (("GMV", (1200.0, 900.0, 1500.0)),))
RANKING = Chart("门店排名", ("甲", "乙", "丙", "丁"), (("复购率", (0.12, 0.25, 0.2, 0.08)),), shape="bar")
COPY = Text(
    "## 朋友圈文案\n王女士，生日快乐！\n店里给您留了一份小礼。\n\n- 到店即领\n- 有效期7天\n\n```\n口令 123\n```"
)

CASES: dict[str, Part] = {
    "card__plan": PLAN,
    "card__finished": FINISHED,
    "table__by_store": BY_STORE,
    "table__by_store_and_day": BY_STORE_AND_DAY,
    "chart__trend": TREND,
    "chart__ranking": RANKING,
    "text__copy": COPY,
}


def golden(name: str) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = json.loads((GOLDEN / f"{name}.json").read_text())
    return bodies


@pytest.mark.parametrize("name", CASES)
def test_bodies_are_as_recorded(name: str) -> None:
    assert render(CASES[name], REF) == golden(name)


def buttons_of(card: Card) -> list[dict[str, Any]]:
    buttons: list[dict[str, Any]] = json.loads(card_params(card)["sys_full_json_obj"])["msgButtons"]
    return buttons


def test_every_variable_of_a_card_is_a_string() -> None:
    assert {type(value) for value in card_params(PLAN).values()} == {str}


def test_a_finished_card_keeps_its_state_and_loses_its_buttons() -> None:
    assert buttons_of(FINISHED) == []
    assert "王店长 10:32 已上架 · 券 123" in card_params(FINISHED)["markdown"]


def test_presses_come_back_by_key() -> None:
    assert [(button["id"], button["color"], button["request"]) for button in buttons_of(PLAN)] == [
        ("launch", "blue", True),
        ("cancel", "gray", True),
    ]


def test_the_fallback_says_which_word_to_reply() -> None:
    [body] = render(PLAN, REF)
    assert body["fallback"]["text"].endswith("回复「上架」或「取消」即可。")


def test_a_card_nothing_can_be_traced_to_is_markdown() -> None:
    [body] = render(FINISHED, None)
    assert body["type"] == "markdown"
    assert body["text"].startswith("#### 老客促复购方案")


@pytest.mark.parametrize("key", ["", "launch1", "9"])
def test_a_key_that_could_be_an_index_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="ends in a digit"):
        card_params(replace(PLAN, buttons=(Button(key, "上架", "x"),)))


def test_two_buttons_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="not unique"):
        card_params(replace(PLAN, buttons=(Button("a", "上架", "x"), Button("a", "取消", "y"))))


def test_a_long_card_is_cut_in_its_text_and_keeps_fields_and_state() -> None:
    markdown = card_params(replace(FINISHED, text="很长的说明。\n" * 2000))["markdown"]
    assert len(markdown) <= 3000
    assert "（内容较长，后面的没有显示）" in markdown
    assert markdown.startswith("**预算**：30,000 元")
    assert markdown.endswith("**王店长 10:32 已上架 · 券 123**")


def test_a_card_cut_inside_a_code_block_closes_it() -> None:
    code = "\n".join(["```", *(f"口令 {number}" for number in range(900)), "```"])
    markdown = card_params(replace(FINISHED, text=code))["markdown"]
    assert len(markdown) <= 3000
    assert [line for line in markdown.splitlines() if line.startswith("```")] == ["```", "```"]
    assert markdown.endswith("**王店长 10:32 已上架 · 券 123**")


def test_a_card_with_absurd_fields_is_still_cut() -> None:
    assert len(card_params(replace(PLAN, fields=(("名单", "张" * 9000),)))["markdown"]) <= 3000


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# 最近7天\n……", "最近7天"),
        ("\n\n- **王女士**，生日快乐", "王女士，生日快乐"),
        ("[链接](https://example.com)在这里", "链接在这里"),
        ("一二三四五六七八九十一二三四五六七八九十多了", "一二三四五六七八九十一二三四五六七八九…"),
        ("", "导购助手"),
        ("---\n***", "导购助手"),
    ],
)
def test_the_first_words_are_the_title(text: str, title: str) -> None:
    assert title_of(text) == title


def test_an_empty_text_sends_nothing() -> None:
    assert render(Text(" \n ")) == []


def test_a_long_text_is_split_between_paragraphs() -> None:
    paragraphs = [f"第{number}段" + "字" * 900 for number in range(10)]
    pieces = split("\n\n".join(paragraphs))
    assert "\n\n".join(pieces) == "\n\n".join(paragraphs)
    assert [len(piece) <= 3500 for piece in pieces] == [True] * 4
    assert all(piece.startswith("第") for piece in pieces)


def test_a_long_code_block_is_fenced_in_every_piece() -> None:
    code = [f"SELECT {number} FROM orders" for number in range(400)]
    pieces = split("\n".join(["```sql", *code, "```"]))
    assert len(pieces) > 1
    for piece in pieces:
        assert piece.startswith("```sql\n")
        assert piece.endswith("\n```")
    assert [line for piece in pieces for line in piece.splitlines()[1:-1]] == code


def test_a_code_block_that_was_never_closed_is_closed() -> None:
    assert split("```\na\n\nb") == ["```\na\n\nb\n```"]


@pytest.mark.parametrize("text", ["字" * 20_000, "😀" * 8000, '"' * 9000, "字 \n" * 9000])
def test_no_piece_is_too_long_and_nothing_is_lost(text: str) -> None:
    pieces = split(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    for piece in pieces:
        assert len(json.dumps({"title": "字" * 20, "text": piece}, ensure_ascii=False).encode()) <= 15_000


def test_a_table_of_many_rows_says_how_many_are_missing() -> None:
    table = Table("全部", ("会员", "金额"), tuple((f"会员{n}", str(n)) for n in range(75)))
    text = "\n\n".join(body["text"] for body in as_list(table))
    assert text.count("- **会员") == 60
    assert "还有 15 行没有列出" in text


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Table("空", ("门店",), ()), "没有数据"),
        (Table("", ("门店",), (("解放碑店",),)), "- 解放碑店"),
        (Chart("空", (), ()), "没有数据"),
        (Chart("空", (), (("GMV", ()),)), "没有数据"),
        (Chart("零", ("a", "b"), (("GMV", (0.0, 5.0)),)), "a 0，b 5；"),
        (Chart("两家", ("a", "b"), (("GMV", (1.0, 5.0)),), shape="bar"), "从高到低 b 5、a 1"),
    ],
)
def test_little_or_no_data_is_said_plainly(part: Part, words: str) -> None:
    [body] = render(part)
    assert words in body["text"]
