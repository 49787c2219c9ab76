"""Choices on a template of buttons: what the ids carry there and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.dingtalk_card import READY_TEMPLATE, card_as_message, card_params
from bot.cards.dingtalk_choice import as_buttons, chosen_by
from bot.config import DingtalkSettings
from handlers.messages import Button, Card, Choice, Option

OPTIONS = tuple(Option(f"o{number}", f"第{number}个") for number in range(1, 4))
ONE = Choice("how", "怎么联系", OPTIONS)
SUBMIT, LATER = Button("submit", "提交", "task.done", primary=True), Button("later", "以后再说", "task.later")
CARD = Card("task", "跟进王女士", choices=(ONE,), buttons=(SUBMIT, LATER))


def test_the_ready_template_is_the_one_of_the_settings() -> None:
    assert DingtalkSettings.model_fields["card_template_id"].default == READY_TEMPLATE


def test_a_choice_of_few_stands_in_for_the_button_that_submits_it() -> None:
    buttons = as_buttons(CARD)
    assert [button.text for button in buttons] == ["第1个", "第2个", "第3个", "以后再说"]
    assert [chosen_by(button.key) for button in buttons] == [
        ("submit", {"how": ("o1",)}),
        ("submit", {"how": ("o2",)}),
        ("submit", {"how": ("o3",)}),
        ("later", {}),
    ]
    assert "**怎么联系**" in card_params(CARD)["markdown"]


@pytest.mark.parametrize(
    "choices",
    [
        (replace(ONE, many=True),),
        (replace(ONE, options=OPTIONS * 3),),
        (ONE, Choice("when", "什么时候", (Option("am", "上午"), Option("pm", "下午")))),
        (replace(ONE, options=()),),
    ],
)
def test_more_than_that_is_asked_for_in_words(choices: tuple[Choice, ...]) -> None:
    card = replace(CARD, choices=choices)
    assert [button.text for button in as_buttons(card)] == ["以后再说"]
    for choice in choices:
        assert f"**{choice.title}**" in card_params(card)["markdown"]
        for option in choice.options:
            assert f"「{option.text}」" in card_params(card)["markdown"]


def test_what_was_chosen_beforehand_is_submitted_as_it_is() -> None:
    many = replace(ONE, many=True, chosen=("o1", "o3"))
    card = replace(CARD, choices=(many, Choice("when", "什么时候", (Option("am", "上午"),) * 2, chosen=("am",))))
    submit, later = as_buttons(card)
    assert (submit.text, later.text) == ("提交", "以后再说")
    assert chosen_by(submit.key) == ("submit", {"how": ("o1", "o3"), "when": ("am",)})
    assert "（现在是第1个、第3个）" in card_params(card)["markdown"]


def test_in_words_the_options_are_what_to_reply() -> None:
    assert card_as_message(CARD).endswith("回复「第1个」或「第2个」或「第3个」或「以后再说」即可。")


def test_a_card_without_buttons_asks_nothing_that_could_be_pressed() -> None:
    params = card_params(replace(CARD, buttons=()))
    assert json.loads(params["sys_full_json_obj"]) == {"msgButtons": []}


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.sampled_from(["", "0", "17"]))
def test_whatever_the_keys_are_they_come_back(button: str, key: str, option: str, index: str) -> None:
    choice = Choice(key, "问", (Option(option, "答"),))
    [pick] = as_buttons(Card("x", "x", choices=(choice,), buttons=(Button(button, "提交", "a"),)))
    assert not pick.key[-1].isdigit()
    assert chosen_by(pick.key + index) == (button, {key: (option,)})


@given(st.text())
def test_any_other_id_is_the_key_itself(pressed: str) -> None:
    if not pressed.startswith("pick:"):
        assert chosen_by(pressed) == (pressed, {})
