"""The card rules of the pretend WeCom, type by type; the good cards are the smallest ones of doc 90236."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cards.wecom_limits import GROUP, BadCard, validate
from bot.sandbox.wecom_card_rules import first_fault

PAGE = {"type": 1, "url": "https://example.invalid/page"}
SUBMIT = {"text": "提交", "key": "submit"}
GOOD: dict[str, dict[str, Any]] = {
    "text": {"card_type": "text_notice", "main_title": {"title": "券即将到期"}, "card_action": PAGE},
    "news": {
        "card_type": "news_notice",
        "main_title": {"title": "新品"},
        "card_image": {"url": "https://example.invalid/p.png", "aspect_ratio": 2.25},
        "card_action": PAGE,
    },
    "button": {
        "card_type": "button_interaction",
        "main_title": {"title": "领取优惠券?"},
        "task_id": "claim-17-9f3a",
        "button_list": [{"text": "领取", "style": 1, "key": "claim:17"}, {"text": "取消", "style": 2, "key": "cancel"}],
    },
    "vote": {
        "card_type": "vote_interaction",
        "main_title": {"title": "选择门店"},
        "task_id": "shop-3-77aa",
        "checkbox": {"question_key": "shop", "mode": 0, "option_list": [{"id": "s1", "text": "一店"}]},
        "submit_button": SUBMIT,
    },
    "select": {
        "card_type": "multiple_interaction",
        "main_title": {"title": "筛选"},
        "task_id": "flt-4-12bc",
        "select_list": [{"question_key": "city", "title": "城市", "option_list": [{"id": "gz", "text": "广州"}]}],
        "submit_button": SUBMIT,
    },
}
LONG_ADDRESS = "https://example.invalid/" + "a" * 2048


def options(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"id": f"o{n}", "text": "店", **changes} for n in range(count)]


def box(**changes: Any) -> dict[str, Any]:
    return {"checkbox": {"question_key": "q", "mode": 0, "option_list": options(2), **changes}}


def selectors(count: int, **changes: Any) -> dict[str, Any]:
    return {"select_list": [{"question_key": f"q{n}", "option_list": options(2), **changes} for n in range(count)]}


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("text", {"main_title": {}}, 41016),
    ("text", {"card_action": {}}, 42045),
    ("text", {"card_action": {"type": 1, "url": "javascript:alert(1)"}}, 42045),
    ("text", {"card_action": {"type": 1, "url": LONG_ADDRESS}}, 42045),
    ("text", {"button_list": GOOD["button"]["button_list"]}, 40058),
    ("text", {"horizontal_content_list": [{"keyname": "", "value": "1"}]}, 40058),
    ("news", {"card_image": {}}, 40058),
    ("news", {"card_image": {"url": "https://example.invalid", "aspect_ratio": 2.5}}, 40058),
    ("news", {"sub_title_text": "没有这个"}, 40058),
    ("news", {"vertical_content_list": [{"title": "一"}] * 5}, 40058),
    ("news", {"vertical_content_list": [{"title": "长" * 39}]}, 40058),
    ("button", {"card_action": {"type": 9}}, 42045),
    ("button", {"task_id": ""}, 42014),
    ("vote", {"task_id": "a b"}, 42014),
    ("vote", box(option_list=options(21)), 40058),
    ("vote", box(option_list=[]), 40058),
    ("vote", box(option_list=options(1, text="十二个字的选项真的太长了")), 40058),
    ("vote", box(option_list=options(1, id="店" * 43)), 40058),
    ("vote", box(option_list=options(2, id="same")), 40058),
    ("vote", box(question_key=""), 40058),
    ("vote", {"submit_button": {"text": "提交", "key": ""}}, 42018),
    ("vote", {"submit_button": {"text": "十一个字的按钮真的太长", "key": "k"}}, 42020),
    ("vote", {"horizontal_content_list": []}, 40058),
    ("select", selectors(4), 40058),
    ("select", selectors(0), 40058),
    ("select", selectors(1, option_list=options(11)), 40058),
    ("select", selectors(2, question_key="same"), 40058),
]


@pytest.mark.parametrize("name", GOOD)
def test_the_smallest_card_of_each_type_is_taken_by_both_sides(name: str) -> None:
    assert first_fault(GOOD[name]) is None
    validate(GOOD[name])


@pytest.mark.parametrize(("name", "change", "code"), BAD)
def test_what_is_against_the_rules_is_refused_by_both_sides(name: str, change: dict[str, Any], code: int) -> None:
    card = {**GOOD[name], **change}
    fault = first_fault(card)
    assert fault is not None
    assert fault[0] == code
    with pytest.raises(BadCard):
        validate(card)


@pytest.mark.parametrize("name", ["button", "vote", "select"])
def test_a_group_takes_no_card_that_calls_back(name: str) -> None:
    assert first_fault(GOOD[name], group=True) is not None


def test_a_group_cuts_earlier() -> None:
    card = {**GOOD["text"], "main_title": {"title": "长" * 27}}
    assert first_fault(card) is None
    assert first_fault(card, group=True) == (40058, "main_title.title too long")
    validate(card)
    with pytest.raises(BadCard, match=r"^main_title.title: 27, limit 26$"):
        validate(card, GROUP)


@pytest.mark.parametrize("card", [None, [], "card", {}, {"card_type": "hologram"}])
def test_what_is_no_card_is_refused(card: Any) -> None:
    assert first_fault(card) == (40058, "invalid card_type")
