"""Neutral parts to WeCom bodies, against golden files and limits.

After a wanted change of a rendering, write them anew and read the diff:

    DAOGOU_TEST_UPDATE_GOLDEN=1 pytest tests/unit/test_wecom_cards.py
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

from bot.cards.wecom import render, render_update
from bot.cards.wecom_limits import IllegalValue, LimitExceeded, validate
from bot.cards.wecom_text import MAX_TEXT_BYTES, split_text
from bot.platforms.base import CardRef
from bot.sandbox.wecom_card_rules import first_fault
from handlers.messages import Button, Card, Chart, Part, Table, Text

GOLDEN = Path(__file__).parents[1] / "fixtures/wecom"
REF = CardRef("plan-17-9f3a")

PLAN = Card(
    kind_of_card="plan",
    title="促复购活动方案",
    text="目标：高价值老客复购率 **+3%**\n- 满 200 减 30\n- [口径](https://example.invalid/kb)",
    fields=(("预算", "30,000 元"), ("时间", "11-22 至 11-28"), ("人群", "近 90 天消费 ≥ 2 次")),
    buttons=(
        Button("launch", "上架", "launch", primary=True),
        Button("change", "改一改", "change"),
    ),
    footer="按 11-21 的数据",
)
LAUNCHED = replace(PLAN, buttons=(), state="王店长 10:32 已上架 · 券 123")
LONG_PLAN = replace(
    PLAN, text="\n".join(f"第 {n} 条：老客回店满 200 减 30，先到先得，用完即止。" for n in range(1, 13))
)
REPORT = Table(
    "各门店 GMV（11-14 至 11-20）",
    ("门店", "GMV", "订单", "客单价"),
    (("朝阳店", "128,300.00", "455", "281.98"), ("徐汇店", "97,120.50", "312", "311.28"), ("天河店", "-", "0", "-")),
)
TREND = Chart(
    "每天 GMV",
    ("11-18", "11-19", "11-20"),
    (("GMV", (1200.0, 900.5, 1500.0)), ("订单数", (12.0, 9.0, 15.0))),
)
CASES: dict[str, Part] = {
    "text__plain": Text("王女士，生日快乐！\n本月到店有礼。"),
    "text__markdown": Text(
        '**本周要点**\n- 复购率 <font color="warning">下降</font>\n- 见[口径](https://example.invalid/kb)'
    ),
    "table__stores": REPORT,
    "table__one_row": Table("昨天", ("GMV", "订单"), (("12,300.00", "45"),)),
    "table__empty": Table("昨天", ("门店", "GMV"), ()),
    "chart__line": TREND,
    "chart__bar": replace(TREND, shape="bar", labels=("朝阳店", "徐汇店", "天河店")),
    "card__plan": PLAN,
    "card__long_plan": LONG_PLAN,
    "card__eight_buttons": replace(
        PLAN, buttons=tuple(Button(f"b{c}", f"门店{c}", "pick") for c in "甲乙丙丁戊己庚辛")
    ),
    "card__finished": LAUNCHED,
}


def golden(name: str, made: Any) -> Any:
    path = GOLDEN / f"{name}.json"
    if os.environ.get("DAOGOU_TEST_UPDATE_GOLDEN") == "1":
        path.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return json.loads(path.read_text("utf-8"))


def contents(bodies: list[dict[str, Any]]) -> list[str]:
    return [body[body["msgtype"]]["content"] for body in bodies if body["msgtype"] != "template_card"]


@pytest.mark.parametrize("name", CASES)
def test_renders_as_the_golden_file(name: str) -> None:
    made = render(CASES[name], REF)
    assert made == golden(name, made)


@pytest.mark.parametrize(("name", "card"), [("update__launched", LAUNCHED), ("update__still_open", PLAN)])
def test_updates_as_the_golden_file(name: str, card: Card) -> None:
    made = render_update(card, REF)
    assert made == golden(name, made)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("card")])
def test_the_pretend_wecom_takes_every_card(name: str) -> None:
    cards = [body["template_card"] for body in render(CASES[name], REF) if "template_card" in body]
    assert [first_fault(card) for card in cards] == [None] * len(cards)


@pytest.mark.parametrize("card", [PLAN, LAUNCHED, LONG_PLAN])
def test_the_pretend_wecom_takes_every_update(card: Card) -> None:
    assert first_fault(render_update(card, REF), update=True) is None


def test_a_finished_card_shows_what_became_of_it_and_cannot_be_pressed() -> None:
    shown = render_update(LAUNCHED, REF)
    assert shown["main_title"] == {"title": "促复购活动方案", "desc": "王店长 10:32 已上架 · 券 123"}
    assert shown["replace_text"] == "已处理"


def test_a_long_state_is_shown_in_full() -> None:
    state = "王店长 10:32 已上架 · 券 123 · 预算 30,000 元 · 11-22 至 11-28 · 面向近 90 天消费 2 次以上的老客"
    shown = render_update(replace(LAUNCHED, state=state), REF)
    assert shown["sub_title_text"].startswith(state)


def test_a_card_that_says_too_much_is_preceded_by_all_of_it() -> None:
    before, card = render(LONG_PLAN, REF)
    assert "第 12 条" in contents([before])[0]
    assert "sub_title_text" not in card["template_card"]
    assert render_update(LONG_PLAN, REF)["sub_title_text"].endswith("…")


@pytest.mark.parametrize(
    "change",
    [
        {"title": "长" * 37},
        {"footer": "长" * 45},
        {"fields": (("六个字的名字", "1"),)},
        {"fields": (("人群", "长" * 31),)},
        {"fields": tuple((f"项{n}", "1") for n in range(7))},
        {"state": "进行中", "footer": "脚", "text": "长" * 159},
    ],
)
def test_nothing_a_card_says_is_lost(change: dict[str, Any]) -> None:
    card = replace(PLAN, **change)
    *before, shown = render(card, REF)
    whole = "".join(contents(before))
    for said in (card.title, card.footer, *(text for field in card.fields for text in field)):
        assert said in whole
    assert first_fault(shown["template_card"]) is None


def test_buttons_beyond_six_become_words() -> None:
    card, words = render(CASES["card__eight_buttons"], REF)
    assert len(card["template_card"]["button_list"]) == 6
    assert contents([words]) == ["也可以直接回复：门店庚、门店辛"]


def test_a_card_with_buttons_needs_its_id() -> None:
    with pytest.raises(IllegalValue, match="CardRef"):
        render(PLAN, None)


def valid(**changes: Any) -> dict[str, Any]:
    return {**render(PLAN, REF)[0]["template_card"], **changes}


def buttons(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"text": "好", "style": 1, "key": f"k{n}", **changes} for n in range(count)]


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (valid(button_list=buttons(7)), "button_list: 7, limit 6"),
        (valid(button_list=buttons(1, text="十一个字的按钮真的太长")), "button_list.text: 11, limit 10"),
        (valid(button_list=buttons(1, key="券" * 342)), "button_list.key: 1026, limit 1024"),
        (valid(task_id="a" * 129), "task_id: 129, limit 128"),
        (valid(main_title={"title": "长" * 37}), "main_title.title: 37, limit 36"),
        (valid(main_title={"title": "x", "desc": "长" * 45}), "main_title.desc: 45, limit 44"),
        (valid(sub_title_text="长" * 161), "sub_title_text: 161, limit 160"),
        (valid(horizontal_content_list=[{"keyname": "a", "value": "b"}] * 7), "horizontal_content_list: 7, limit 6"),
        (
            valid(horizontal_content_list=[{"keyname": "六个字的名字", "value": "b"}]),
            "horizontal_content_list.keyname: 6, limit 5",
        ),
        (
            valid(horizontal_content_list=[{"keyname": "a", "value": "长" * 31}]),
            "horizontal_content_list.value: 31, limit 30",
        ),
    ],
)
def test_a_limit_names_field_size_and_limit(card: dict[str, Any], message: str) -> None:
    with pytest.raises(LimitExceeded, match=f"^{message}$"):
        validate(card)


@pytest.mark.parametrize(
    ("card", "field"),
    [
        (valid(task_id=""), "task_id"),
        (valid(task_id="plan:17"), "task_id"),
        (valid(task_id="计划"), "task_id"),
        (valid(task_id="plan-17\n"), "task_id"),
        (valid(button_list=[]), "button_list"),
        (valid(button_list=buttons(2, key="same")), "button_list.key"),
        (valid(button_list=buttons(1, key="")), "button_list"),
        (valid(button_list=buttons(1, text="")), "button_list"),
    ],
)
def test_a_form_wecom_refuses_is_named(card: dict[str, Any], field: str) -> None:
    with pytest.raises(IllegalValue, match=field):
        validate(card)


def test_our_rules_are_not_looser_than_the_platforms() -> None:
    """Whatever the pretend WeCom refuses, `validate` refuses first."""
    broken = [valid(button_list=buttons(7)), valid(task_id="a:b"), valid(sub_title_text="长" * 161)]
    assert all(first_fault(card) for card in broken)
    for card in broken:
        with pytest.raises(ValueError, match=":"):
            validate(card)


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x07", "\ud800"])
def test_nothing_to_say_sends_nothing(text: str) -> None:
    assert render(Text(text)) == []


def test_characters_that_cannot_travel_are_dropped() -> None:
    assert contents(render(Text("a\x00b\ud83dc\r\nd"))) == ["abc\nd"]


def test_a_bullet_is_drawn_as_a_dot() -> None:
    assert contents(render(Text("- 甲\n* 乙\n1-2"))) == ["· 甲\n· 乙\n1-2"]


@given(st.text(st.characters(codec="utf-8"), max_size=3000), st.integers(24, 200))
def test_pieces_fit_and_lose_nothing(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert all(len(piece.encode()) <= limit for piece in pieces)
    kept, given_ = ("".join(part.split()) for part in ("".join(pieces), text))
    assert kept == given_


def test_a_text_of_exactly_2048_bytes_is_one_message() -> None:
    text = "券" * 682 + "ab"
    assert len(text.encode()) == MAX_TEXT_BYTES
    assert split_text(text) == [text]
    assert [len(piece.encode()) for piece in split_text(text + "c")] == [2048, 1]


def test_lines_stay_whole_and_sentences_where_a_line_is_too_long() -> None:
    assert split_text("aaaa\nbbbb\ncccc", 9) == ["aaaa\nbbbb", "cccc"]
    assert split_text("一二三。四五六七八九", 20) == ["一二三。", "四五六七八九"]


def test_an_emoji_family_is_not_torn() -> None:
    family = "👩‍👩‍👧"
    assert split_text("x" * 10 + family, 24) == ["x" * 10, family]


def test_a_long_table_repeats_its_heading() -> None:
    rows = tuple((f"门店{n:03}", "128,300.00", "455", "281.98") for n in range(120))
    pages = contents(render(replace(REPORT, rows=rows)))
    assert len(pages) > 1
    assert all(len(page.encode()) <= MAX_TEXT_BYTES for page in pages)
    assert [page.split("\n")[1] for page in pages] == ["门店 · GMV · 订单 · 客单价"] * len(pages)
    assert pages[1].startswith("【各门店 GMV（11-14 至 11-20）】（续）")
    assert sum(page.count("门店") - 2 for page in pages) == 120


def test_a_table_with_an_endless_heading_still_fits() -> None:
    wide = Table("宽", ("列" * 500, "值"), (("a", "1"), ("b", "2")))
    assert all(len(page.encode()) <= MAX_TEXT_BYTES for page in contents(render(wide)))


def test_a_chart_without_numbers_says_nothing() -> None:
    assert render(Chart("空", (), ())) == []
    assert render(Chart("空", ("a",), (("x", (float("nan"),)),))) == []


def test_a_chart_from_zero_states_no_percentage() -> None:
    assert contents(render(Chart("新客", ("1", "2"), (("人", (0.0, 4.0)),)))) == [
        "【新客】\n人：0 → 4，最低 0（1），最高 4（2）"
    ]
