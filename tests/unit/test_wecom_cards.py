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
from tests.fakes.table_picture import PlainPictures

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
LINKED = Card("report", "上周经营周报", "GMV **+3%**，客单价持平", link="https://example.invalid/report?week=47")
SUBMIT = (Button("submit", "提交", "choose", primary=True),)
STORES = Choice("shop", "哪家门店？", (Option("s1", "朝阳店"), Option("s2", "徐汇店")), chosen=("s2",))
DAYS = Choice("day", "哪一天？", (Option("sat", "周六"), Option("sun", "周日")))
VOTE = Card("pick", "排班", "请选一家", choices=(STORES,), buttons=SUBMIT)
SELECTS = Card("pick", "排班", choices=(STORES, DAYS), buttons=(*SUBMIT, Button("later", "以后再说", "later")))
NEWS = News(
    (
        Article("羊绒怎么洗", "https://example.invalid/care", "换季\n护理", "https://example.invalid/p.jpg"),
        Article("羽绒怎么收", "https://example.invalid/down"),
    )
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
    "card__buttons_and_link": replace(PLAN, link="https://example.invalid/plan/17"),
    "card__link": LINKED,
    "card__link_and_picture": replace(LINKED, picture_url="https://example.invalid/p.png", text="标题行\n说明"),
    "card__one_choice": VOTE,
    "card__many_of_one_choice": replace(VOTE, choices=(replace(STORES, many=True, chosen=("s1", "s2")),)),
    "card__two_choices": SELECTS,
    "card__choices_in_words": replace(SELECTS, choices=(STORES, replace(DAYS, many=True))),
    "card__choice_that_says_much": replace(VOTE, text="按上周客流排。" * 8, fields=(("截止", "周五 18:00"),)),
    "news__two": NEWS,
    "picture__one": Picture("海报.png", "aGVsbG8gd29ybGQ=", "海报"),
    "file__one": File("排班.xlsx", "aGVsbG8gd29ybGQ="),
}
LARGE = replace(REPORT, rows=tuple((f"{n} 号店", "1.00", "1", "1.00") for n in range(4)))


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


@pytest.mark.parametrize(
    ("name", "card"),
    [("update__launched", LAUNCHED), ("update__still_open", PLAN), ("update__vote_still_open", VOTE)],
)
def test_updates_as_the_golden_file(name: str, card: Card) -> None:
    made = render_update(card, REF)
    assert made == golden(name, made)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("card")])
def test_the_pretend_wecom_takes_every_card(name: str) -> None:
    cards = [body["template_card"] for body in render(CASES[name], REF) if "template_card" in body]
    assert [first_fault(card) for card in cards] == [None] * len(cards)


@pytest.mark.parametrize("card", [PLAN, LAUNCHED, LONG_PLAN, VOTE, SELECTS, replace(LINKED, state="已读")])
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


@pytest.mark.parametrize("card", [PLAN, VOTE, SELECTS])
def test_a_card_with_buttons_needs_its_id(card: Card) -> None:
    with pytest.raises(IllegalValue, match="CardRef"):
        render(card, None)


def test_a_notice_needs_none_and_cannot_be_changed_anyway() -> None:
    assert "task_id" not in render(LINKED, None)[0]["template_card"]
    assert render(LINKED, REF) == render(LINKED, None)


@pytest.mark.parametrize("count", [2, 20])
def test_a_vote_has_up_to_twenty_options(count: int) -> None:
    options = tuple(Option(f"o{n}", f"{n} 号店") for n in range(count))
    (card,) = render(replace(VOTE, choices=(replace(STORES, options=options, chosen=()),)), REF)
    assert first_fault(card["template_card"]) is None


@pytest.mark.parametrize(
    "choices",
    [
        (replace(STORES, options=tuple(Option(f"o{n}", f"{n} 号店") for n in range(21))),),
        (replace(STORES, options=()),),
        (STORES, replace(DAYS, options=tuple(Option(f"o{n}", f"{n} 号") for n in range(11)))),
        tuple(replace(STORES, key=f"q{n}") for n in range(4)),
    ],
)
def test_choices_no_card_can_hold_are_answered_in_words(choices: tuple[Choice, ...]) -> None:
    (told,) = contents(render(replace(VOTE, choices=choices), REF))
    assert all(option.text in told for choice in choices for option in choice.options)
    assert told.endswith("请直接回复您的选择。")


def test_an_option_too_long_for_the_card_is_said_in_full_before() -> None:
    long = Option("s3", "上海市黄浦区南京东路步行街旗舰店")
    before, card = render(replace(VOTE, choices=(replace(STORES, options=(*STORES.options, long)),)), REF)
    assert long.text in contents([before])[0]
    assert card["template_card"]["checkbox"]["option_list"][2]["text"] == "上海市黄浦区南京东路…"


def test_one_answer_is_checked_where_one_can_be_given() -> None:
    both = replace(STORES, chosen=("s1", "s2"))
    (card,) = render(replace(VOTE, choices=(both,)), REF)
    assert [one["is_checked"] for one in card["template_card"]["checkbox"]["option_list"]] == [True, False]
    (card,) = render(replace(SELECTS, buttons=SUBMIT, choices=(replace(STORES, chosen=("gone",)), DAYS)), REF)
    assert "selected_id" not in card["template_card"]["select_list"][0]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (replace(LINKED, link="javascript:alert(1)"), "card_action.url: must begin"),
        (replace(LINKED, link="https://x.invalid/" + "a" * 2048), "card_action.url: 2066, limit 2048"),
        (replace(LINKED, picture_url="/p.png"), "card_image.url: must begin"),
        (News((Article("题", "ftp://example.invalid"),)), "articles.url: must begin"),
        (News((Article("题", "https://x.invalid/" + "a" * 2048),)), "articles.url: 2066, limit 2048"),
        (replace(VOTE, choices=(replace(STORES, key=""),)), "checkbox.question_key"),
        (replace(VOTE, choices=(replace(STORES, options=(Option("店" * 43, "店"),)),)), "129, limit 128"),
        (replace(SELECTS, choices=(STORES, replace(DAYS, key="shop"))), "select_list.question_key"),
    ],
)
def test_what_wecom_would_refuse_is_refused_here(part: Part, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(part, REF)


def test_a_card_without_a_title_gets_one() -> None:
    (card,) = render(replace(PLAN, title=" \x00"), REF)
    assert card["template_card"]["main_title"]["title"] == "请查看"


def test_nine_articles_are_two_messages_and_a_long_one_is_cut_at_a_character() -> None:
    article = Article("题" * 50, "https://example.invalid", "明" * 300)
    first, second = render(News((article,) * 9))
    assert [len(body["news"]["articles"]) for body in (first, second)] == [8, 1]
    (shown,) = second["news"]["articles"]
    assert [len(shown[name].encode()) for name in ("title", "description")] == [126, 510]
    assert shown["title"] == "题" * 41 + "…"
    assert render(News(())) == []


def test_a_page_without_a_title_is_called_by_its_address() -> None:
    (body,) = render(News((Article(" ", "https://example.invalid/care"),)))
    assert body["news"]["articles"][0]["title"] == "https://example.invalid/care"


def test_a_large_table_is_named_here_and_drawn_later() -> None:
    pictures = PlainPictures()
    picture, text = render(LARGE, pictures=pictures)
    assert picture == golden("table__as_picture", picture)
    assert contents([text]) == ["各门店 GMV（11-14 至 11-20）\n共 4 行"]
    assert pictures.drawn == []


def test_a_small_table_stays_lines_and_a_large_one_too_without_a_drawer() -> None:
    assert render(REPORT, pictures=PlainPictures()) == render(REPORT)
    assert all(body["msgtype"] == "text" for body in render(LARGE))


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


# Without the marks of Markdown, which are closed and opened again where they are cut.
@given(st.text(st.characters(codec="utf-8", exclude_characters="*`~<|"), max_size=3000), st.integers(24, 200))
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
