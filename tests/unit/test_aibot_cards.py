"""Neutral parts to aibot payloads, against golden files and the limits of WeCom's pages.

After a wanted change of a rendering, write them anew and read the diff:

    DAOGOU_TEST_UPDATE_GOLDEN=1 pytest tests/unit/test_aibot_cards.py
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.aibot import MAX_MARKDOWN_BYTES, part_of, render, render_update, words_of
from bot.cards.aibot_card import BadCard, IllegalValue, LimitExceeded, validate
from bot.platforms.base import CardRef
from handlers.messages import (
    Article,
    Button,
    Card,
    Chart,
    Choice,
    File,
    News,
    Option,
    Part,
    Picture,
    Table,
    Text,
)
from tests.fakes.aibot_rules import card_faults

GOLDEN = Path(__file__).parents[1] / "fixtures/aibot"
REF = CardRef("c-17-9f3a")
PAGE = "https://example.invalid/kb"

PLAN = Card(
    "plan",
    "促复购活动方案",
    text="满 200 减 30，**先到先得**",
    fields=(("预算", "30,000 元"), ("时间", "11-22 至 11-28")),
    buttons=(Button("launch", "上架", "plan.launch", primary=True), Button("change", "改一改", "plan.change")),
    footer="按 11-21 的数据",
)
LAUNCHED = replace(PLAN, buttons=(), state="王店长 10:32 已上架 · 券 123")
STORES = Choice("store", "", (Option("s1", "上海一店"), Option("s2", "杭州一店")), many=True, chosen=("s2",))
CITY = Choice("city", "城市", (Option("sh", "上海"), Option("hz", "杭州")), chosen=("hz",))
CASES: dict[str, Part] = {
    "text__markdown": Text(
        '**要点**\n- 复购率 <font color="warning">下降</font>\n- 见[口径](https://example.invalid/kb)'
    ),
    "table__stores": Table("各门店 GMV", ("门店", "GMV"), (("上海|一店", "128,300.00"), ("杭州一店", "-"))),
    "table__empty": Table("昨天", ("门店", "GMV"), ()),
    "chart__line": Chart("每天 GMV", ("11-19", "11-20"), (("GMV", (900.5, 1500.0)),)),
    "news__two_pages": News((Article("新品", PAGE, "今天到店"), Article("活动", PAGE))),
    "picture__png": Picture("a.png", "iVBORw0KGgo=", "一张图"),
    "file__pdf": File("周报.pdf", "JVBERi0="),
    "card__buttons": PLAN,
    "card__long": replace(PLAN, text="第 1 条：老客回店满 200 减 30。" * 12),
    "card__finished": LAUNCHED,
    "card__one_choice": Card("pick", "选择门店", buttons=PLAN.buttons[:1], choices=(STORES,)),
    "card__two_choices": Card("pick", "筛选", buttons=PLAN.buttons, choices=(CITY, replace(STORES, title="门店"))),
    "card__four_choices": Card("pick", "筛选", buttons=PLAN.buttons, choices=(CITY,) * 4),
    "card__link": Card("coupon", "券即将到期", text="还有 2 天", link=PAGE),
    "card__picture_and_link": Card("new", "新品", link=PAGE, picture_url="https://example.invalid/p.png"),
}


def golden(name: str, made: Any) -> Any:
    path = GOLDEN / f"{name}.json"
    if os.environ.get("DAOGOU_TEST_UPDATE_GOLDEN") == "1":
        path.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return json.loads(path.read_text("utf-8"))


def templates(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [payload["template_card"] for payload in payloads if "template_card" in payload]


@pytest.mark.parametrize("name", CASES)
def test_renders_as_the_golden_file(name: str) -> None:
    made = render(CASES[name], REF)
    assert made == golden(name, made)


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("update__launched", LAUNCHED),
        ("update__still_open", replace(PLAN, state="正在处理…")),
        ("update__with_a_page", replace(LAUNCHED, link=PAGE)),
    ],
)
def test_updates_as_the_golden_file(name: str, card: Card) -> None:
    made = render_update(card, REF)
    assert made == golden(name, made)
    assert card_faults(made) == []


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("card")])
def test_every_card_is_within_the_rules(name: str) -> None:
    assert [card_faults(card) for card in templates(render(CASES[name], REF))] in ([[]], [])


def test_a_card_that_says_too_much_is_preceded_by_all_of_it() -> None:
    before, card = render(CASES["card__long"], REF)
    assert before["markdown"]["content"].count("第 1 条") == 12
    assert "sub_title_text" not in card["template_card"]


def test_what_cannot_be_drawn_is_said_with_the_words_to_reply() -> None:
    (said,) = render(CASES["card__four_choices"], REF)
    assert "城市：上海、杭州" in said["markdown"]["content"]
    assert said["markdown"]["content"].endswith("也可以直接回复：上架、改一改")


def test_a_card_with_buttons_needs_its_id() -> None:
    with pytest.raises(IllegalValue, match="CardRef"):
        render(PLAN)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"task_id": "a:b"}, IllegalValue, "task_id"),
        ({"task_id": "a" * 129}, LimitExceeded, "task_id: 129, limit 128"),
        ({"main_title": {"title": "长" * 27}}, LimitExceeded, "main_title.title: 27, limit 26"),
        ({"main_title": {"title": ""}}, IllegalValue, "main_title.title"),
        ({"sub_title_text": "长" * 113}, LimitExceeded, "sub_title_text: 113, limit 112"),
        ({"button_list": [{"key": f"k{n}", "text": "好"} for n in range(7)]}, LimitExceeded, "button_list: 7, limit 6"),
        ({"button_list": [{"key": "k", "text": "好"}] * 2}, IllegalValue, "button_list.key"),
        ({"button_list": [{"key": "券" * 342, "text": "好"}]}, LimitExceeded, "button_list.key: 1026, limit 1024"),
    ],
)
def test_what_wecom_would_refuse_is_named(change: dict[str, Any], error: type[BadCard], words: str) -> None:
    with pytest.raises(error, match=words):
        validate(templates(render(PLAN, REF))[0] | change)


def test_a_long_text_is_cut_within_a_stream() -> None:
    pieces = [payload["markdown"]["content"] for payload in render(Text("今天的券。" * 3000))]
    assert [len(piece.encode()) < MAX_MARKDOWN_BYTES for piece in pieces] == [True, True, True]
    assert "".join(pieces) == "今天的券。" * 3000


def test_a_long_table_repeats_its_heading() -> None:
    rows = tuple((f"门店{n:04}", "128,300.00") for n in range(900))
    pages = [payload["markdown"]["content"] for payload in render(Table("各门店", ("门店", "GMV"), rows))]
    assert [page.count("| 门店 | GMV |") for page in pages] == [1] * len(pages)
    assert sum(page.count("128,300.00") for page in pages) == 900
    assert pages[1].startswith("**各门店**（续）")


@pytest.mark.parametrize("name", ["card__buttons", "table__stores", "picture__png", "file__pdf"])
def test_what_goes_another_way_is_the_same_part(name: str) -> None:
    assert part_of(render(CASES[name], REF)[0]) == CASES[name]


def test_words_say_what_a_card_says() -> None:
    assert words_of(render(PLAN, REF)[0]) == (
        "**促复购活动方案**\n满 200 减 30，**先到先得**\n预算：30,000 元\n时间：11-22 至 11-28\n按 11-21 的数据\n"
        "也可以直接回复：上架、改一改"
    )


words = st.text(st.characters(codec="utf-8"), max_size=200)
keys = st.text("abcdef", min_size=1, max_size=8)
buttons = st.builds(Button, keys, words, keys, primary=st.booleans())
options = st.lists(st.builds(Option, keys, words), max_size=25, unique_by=lambda one: one.key).map(tuple)
choices = st.lists(st.builds(Choice, keys, words, options, st.booleans()), max_size=5, unique_by=lambda one: one.key)
cards = st.builds(
    Card,
    keys,
    words,
    words,
    st.lists(st.tuples(words, words), max_size=9).map(tuple),
    st.lists(buttons, max_size=9, unique_by=lambda one: one.key).map(tuple),
    words,
    words,
    st.sampled_from(["", PAGE]),
    st.sampled_from(["", PAGE]),
    choices.map(tuple),
)
tables = st.integers(1, 5).flatmap(
    lambda width: st.builds(
        Table, words, st.tuples(*[words] * width), st.lists(st.tuples(*[words] * width), max_size=60).map(tuple)
    )
)
parts = st.one_of(cards, tables, st.builds(Text, st.text(st.characters(codec="utf-8"), max_size=30000)))


@given(parts)
def test_whatever_is_rendered_is_within_the_limits(part: Part) -> None:
    try:
        payloads = render(part, REF)
    except BadCard:
        return
    assert [fault for card in templates(payloads) for fault in card_faults(card)] == []
    assert all(len(words_of(one).encode()) <= MAX_MARKDOWN_BYTES for one in payloads if one["msgtype"] == "markdown")
    json.dumps(payloads, ensure_ascii=False).encode()


@given(cards)
def test_whatever_a_card_becomes_is_within_the_limits(card: Card) -> None:
    try:
        shown = render_update(card, REF)
    except BadCard:
        return
    assert card_faults(shown) == []
    assert shown["task_id"] == REF.public_id
