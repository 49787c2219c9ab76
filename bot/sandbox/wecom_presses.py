"""A finger on a card: what may be pressed and chosen there, and the fields of the event it causes (doc 90240)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.wecom_callbacks import Fields

Chosen = Mapping[str, Sequence[str]]


class NotOnPhone(Exception):
    """The phone shows no such button or option, or it is grey."""


def press_fields(card: Mapping[str, Any], key: str, chosen: Chosen) -> Fields:
    """Return the fields of a press of this key with what was chosen; `NotOnPhone` for what cannot be pressed."""
    if card.get("replace_text") or key not in _keys(card):
        raise NotOnPhone(key)
    questions = _questions(card)
    for question, options in chosen.items():
        most, known = questions.get(question, (0, set()))
        if len(options) > most or not known.issuperset(options):
            raise NotOnPhone(question)
    fields = {"EventKey": key, "TaskId": card["task_id"], "CardType": card["card_type"]}
    return {**fields, **({"SelectedItems": _selected(chosen)} if questions else {})}


def _keys(card: Mapping[str, Any]) -> set[str]:
    buttons = [*(card.get("button_list") or []), *([card["submit_button"]] if "submit_button" in card else [])]
    menu = (card.get("action_menu") or {}).get("action_list") or []
    return {str(one["key"]) for one in (*buttons, *menu)}


def _questions(card: Mapping[str, Any]) -> dict[str, tuple[int, set[str]]]:
    """Return how many options of each question may be chosen, and which there are."""
    box = card.get("checkbox")
    boxes = [(box, len(box["option_list"]) if box.get("mode") else 1)] if box else []
    selectors = [(one, 1) for one in card.get("select_list") or []]
    return {
        str(one["question_key"]): (most, {str(option["id"]) for option in one["option_list"]})
        for one, most in (*boxes, *selectors)
    }


def _selected(chosen: Chosen) -> list[tuple[str, Any]]:
    return [
        ("SelectedItem", [("QuestionKey", question), ("OptionIds", [("OptionId", one) for one in options])])
        for question, options in chosen.items()
    ]
