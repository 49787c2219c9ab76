"""What the pretend WeCom refuses of a template card, with the codes of WeCom doc 90313.

Written from the documentation (90236, 94888) and not from our renderer, so that a limit misread there is caught
here. The character counts of the page are advice to real WeCom, which cuts; here they are refused, because a
card cut on a phone is a fault of ours.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

BAD_PARAMETER = 40058
NO_TITLE = 41016
# Also WeCom's answer to other faults of a card, among them a seventh button.
BAD_TASK_ID = 42014
BAD_KEY = 42018
BAD_BUTTON_NAME = 42020
BAD_CARD_ACTION = 42045

CARD_TYPES = {
    "text_notice",
    "news_notice",
    "button_interaction",
    "vote_interaction",
    "multiple_interaction",
}
TASK_ID_CHARACTERS = set(string.ascii_letters + string.digits + "_-@")

Fault = tuple[int, str]


def first_fault(card: Any, *, update: bool = False) -> Fault | None:
    """Return errcode and errmsg for a card WeCom would not take, None for a good one."""
    if not isinstance(card, dict) or card.get("card_type") not in CARD_TYPES:
        return BAD_PARAMETER, "invalid card_type"
    return next(_faults(card, update), None)


def _faults(card: dict[str, Any], update: bool) -> Iterator[Fault]:
    title = card.get("main_title") or {}
    if not title.get("title") and not (card["card_type"] == "text_notice" and card.get("sub_title_text")):
        yield NO_TITLE, "missing title"
    yield from _long_texts(card, title)
    if card["card_type"] in {"text_notice", "news_notice"} and not (card.get("card_action") or {}).get("type"):
        yield BAD_CARD_ACTION, "missing or invalid Template_Card.card_action"
    # An update's task id is ignored: it keeps the one of the card it replaces.
    if card["card_type"].endswith("_interaction") and not update:
        yield from _task_id(str(card.get("task_id") or ""))
    if card["card_type"] == "button_interaction":
        yield from _buttons(card.get("button_list") or [])


def _long_texts(card: dict[str, Any], title: dict[str, Any]) -> Iterator[Fault]:
    fields = card.get("horizontal_content_list") or []
    texts = [
        ("main_title.title", title.get("title"), 36),
        ("main_title.desc", title.get("desc"), 44),
        ("sub_title_text", card.get("sub_title_text"), 160),
        *(("keyname", field.get("keyname"), 5) for field in fields),
        *(("value", field.get("value"), 30) for field in fields),
    ]
    yield from ((BAD_PARAMETER, f"{name} too long") for name, text, limit in texts if len(text or "") > limit)
    if len(fields) > 6:
        yield BAD_PARAMETER, "horizontal_content_list too long"


def _task_id(task_id: str) -> Iterator[Fault]:
    if not 0 < len(task_id) <= 128 or not TASK_ID_CHARACTERS.issuperset(task_id):
        yield BAD_TASK_ID, "taskid has existed or empty or exceed max len"


def _buttons(buttons: list[dict[str, Any]]) -> Iterator[Fault]:
    if not 1 <= len(buttons) <= 6:
        yield BAD_TASK_ID, "taskid has existed or empty or exceed max len"
    keys = [str(button.get("key") or "") for button in buttons]
    if len(set(keys)) < len(keys) or not all(0 < len(key.encode()) <= 1024 for key in keys):
        yield BAD_KEY, "invalid button key"
    if not all(0 < len(str(button.get("text") or "")) <= 10 for button in buttons):
        yield BAD_BUTTON_NAME, "invalid button name"
    if not all(button.get("style", 1) in {1, 2, 3, 4} for button in buttons):
        yield BAD_PARAMETER, "invalid button style"
