"""What the pretend aibot refuses, written from WeCom's pages (101031, 101032, 101138) and not from our renderer."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

STREAM_BYTES = 20480
TASK_ID_CHARACTERS = set(string.ascii_letters + string.digits + "_-@")
CARD_TYPES = {"text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"}


def card_faults(card: Any) -> list[str]:
    """Return what is wrong with a template card; an empty list for a good one."""
    if not isinstance(card, dict) or card.get("card_type") not in CARD_TYPES:
        return ["card_type"]
    return [*_texts(card), *_task_id(card), *_parts(card)]


def _texts(card: dict[str, Any]) -> Iterator[str]:
    title = card.get("main_title") or {}
    fields = card.get("horizontal_content_list") or []
    if not title.get("title") and not (card["card_type"] == "text_notice" and card.get("sub_title_text")):
        yield "main_title.title missing"
    limits = [
        ("main_title.title", title.get("title"), 26),
        ("main_title.desc", title.get("desc"), 30),
        ("sub_title_text", card.get("sub_title_text"), 112),
        *(("keyname", field.get("keyname"), 5) for field in fields),
        *(("value", field.get("value"), 26) for field in fields),
    ]
    yield from (f"{name} too long" for name, text, limit in limits if len(text or "") > limit)
    if len(fields) > 6:
        yield "horizontal_content_list too long"


def _task_id(card: dict[str, Any]) -> Iterator[str]:
    task_id = str(card.get("task_id") or "")
    needed = card["card_type"].endswith("_interaction") or "action_menu" in card
    if needed and not task_id:
        yield "task_id missing"
    if len(task_id) > 128 or not TASK_ID_CHARACTERS.issuperset(task_id):
        yield "task_id"


def _parts(card: dict[str, Any]) -> Iterator[str]:
    kind = card["card_type"]
    allowed = {
        "text_notice": {"sub_title_text", "horizontal_content_list", "card_action"},
        "news_notice": {"horizontal_content_list", "card_action", "card_image", "vertical_content_list"},
        "button_interaction": {"sub_title_text", "horizontal_content_list", "card_action", "button_list"},
        "vote_interaction": {"checkbox", "submit_button"},
        "multiple_interaction": {"select_list", "submit_button"},
    }[kind]
    yield from (f"{name} on {kind}" for name in card.keys() - allowed - {"card_type", "main_title", "task_id"})
    if kind in {"text_notice", "news_notice"} and not (card.get("card_action") or {}).get("url"):
        yield "card_action missing"
    if kind == "news_notice" and not (card.get("card_image") or {}).get("url"):
        yield "card_image missing"
    if kind == "button_interaction":
        yield from _buttons(card.get("button_list") or [], 6)
    if kind in {"vote_interaction", "multiple_interaction"}:
        yield from _buttons([card.get("submit_button") or {}], 1)
        yield from _questions(card)


def _buttons(buttons: list[dict[str, Any]], most: int) -> Iterator[str]:
    keys = [str(button.get("key") or "") for button in buttons]
    if not 1 <= len(buttons) <= most:
        yield "buttons: how many"
    if len(set(keys)) < len(keys) or not all(0 < len(key.encode()) <= 1024 for key in keys):
        yield "button key"
    if not all(0 < len(str(button.get("text") or "")) <= 10 for button in buttons):
        yield "button text"


def _questions(card: dict[str, Any]) -> Iterator[str]:
    vote = card["card_type"] == "vote_interaction"
    asked = [card.get("checkbox") or {}] if vote else card.get("select_list") or []
    if not 1 <= len(asked) <= (1 if vote else 3):
        yield "questions: how many"
    for one in asked:
        options = one.get("option_list") or []
        if not one.get("question_key") or not 1 <= len(options) <= (20 if vote else 10):
            yield "options: how many"
        ids = [str(option.get("id") or "") for option in options]
        if len(set(ids)) < len(ids) or not all(0 < len(one_id.encode()) <= 128 for one_id in ids):
            yield "option id"
        if not all(0 < len(str(option.get("text") or "")) <= 11 for option in options):
            yield "option text"
