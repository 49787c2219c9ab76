"""What the pretend WeCom refuses of a template card, with the codes of WeCom doc 90313.

Written from the documentation (90236, 94888; groups 99110) and not from our renderer, so that a limit misread there
is caught here. The character counts of the page are advice to real WeCom, which cuts; here they are refused, because
a card cut on a phone is a fault of ours.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BAD_PARAMETER = 40058
NO_TITLE = 41016
# Also WeCom's answer to other faults of a card, among them a seventh button.
BAD_TASK_ID = 42014
BAD_KEY = 42018
BAD_BUTTON_NAME = 42020
BAD_CARD_ACTION = 42045
TASK_ID_FAULT = (BAD_TASK_ID, "taskid has existed or empty or exceed max len")
TASK_ID_CHARACTERS = set(string.ascii_letters + string.digits + "_-@")

Card = Mapping[str, Any]
Fault = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Widths:
    """Characters that are not cut."""

    title: int
    desc: int
    sub_title: int
    value: int
    paragraph_title: int
    paragraph: int


IN_APP = Widths(36, 44, 160, 30, 38, 160)
IN_GROUP = Widths(26, 30, 112, 26, 26, 112)


def first_fault(card: Any, *, update: bool = False, group: bool = False) -> Fault | None:
    """Return errcode and errmsg for a card WeCom would not take, None for a good one."""
    if not isinstance(card, dict) or card.get("card_type") not in RULES:
        return BAD_PARAMETER, "invalid card_type"
    if group and not str(card["card_type"]).endswith("_notice"):
        return BAD_PARAMETER, "card_type not open to webhooks"
    return next(_faults(card, update, IN_GROUP if group else IN_APP), None)


def _faults(card: Card, update: bool, widths: Widths) -> Iterator[Fault]:
    kind = str(card["card_type"])
    if strange := card.keys() - FIELDS[kind] - {"card_type", "task_id", "source", "main_title", "replace_text"}:
        yield BAD_PARAMETER, f"{kind} has no {min(strange)}"
    yield from _texts(card, widths)
    # An update's task id is ignored: it keeps the one of the card it replaces.
    if not update and (kind.endswith("_interaction") or card.get("action_menu") or card.get("task_id")):
        yield from _task_id(str(card.get("task_id") or ""))
    yield from RULES[kind](card)


def _texts(card: Card, widths: Widths) -> Iterator[Fault]:
    title = card.get("main_title") or {}
    if not title.get("title") and not (card["card_type"] == "text_notice" and card.get("sub_title_text")):
        yield NO_TITLE, "missing title"
    fields = card.get("horizontal_content_list") or []
    paragraphs = card.get("vertical_content_list") or []
    yield from _too_long(
        ("main_title.title", title.get("title"), widths.title),
        ("main_title.desc", title.get("desc"), widths.desc),
        ("sub_title_text", card.get("sub_title_text"), widths.sub_title),
        *(("keyname", field.get("keyname"), 5) for field in fields),
        *(("value", field.get("value"), widths.value) for field in fields),
        *(("vertical title", one.get("title"), widths.paragraph_title) for one in paragraphs),
        *(("vertical desc", one.get("desc"), widths.paragraph) for one in paragraphs),
    )
    if len(fields) > 6 or len(paragraphs) > 4:
        yield BAD_PARAMETER, "too many lines"
    if not all(field.get("keyname") for field in fields) or not all(one.get("title") for one in paragraphs):
        yield BAD_PARAMETER, "a line without a name"


def _text_notice(card: Card) -> Iterator[Fault]:
    yield from _card_action(card, needed=True)


def _news_notice(card: Card) -> Iterator[Fault]:
    yield from _card_action(card, needed=True)
    picture = card.get("card_image") or {}
    if not (_is_address(picture.get("url")) or card.get("image_text_area")):
        yield BAD_PARAMETER, "missing card_image"
    if not 1.3 <= picture.get("aspect_ratio", 1.3) <= 2.25:
        yield BAD_PARAMETER, "invalid aspect_ratio"


def _button_interaction(card: Card) -> Iterator[Fault]:
    yield from _card_action(card, needed=False)
    buttons = card.get("button_list") or []
    if not 1 <= len(buttons) <= 6:
        yield TASK_ID_FAULT
    keys = [str(button.get("key") or "") for button in buttons]
    if len(set(keys)) < len(keys) or not all(0 < len(key.encode()) <= 1024 for key in keys):
        yield BAD_KEY, "invalid button key"
    if not all(0 < len(str(button.get("text") or "")) <= 10 for button in buttons):
        yield BAD_BUTTON_NAME, "invalid button name"
    if not all(button.get("style", 1) in {1, 2, 3, 4} for button in buttons):
        yield BAD_PARAMETER, "invalid button style"


def _vote_interaction(card: Card) -> Iterator[Fault]:
    box = card.get("checkbox") or {}
    if not box.get("question_key") or box.get("mode", 0) not in {0, 1}:
        yield BAD_PARAMETER, "invalid checkbox"
    options = box.get("option_list") or []
    yield from _options(options, 20, 11)
    if box.get("mode", 0) == 0 and sum(bool(option.get("is_checked")) for option in options) > 1:
        yield BAD_PARAMETER, "two options checked in a single choice"
    yield from _submit_button(card)


def _multiple_interaction(card: Card) -> Iterator[Fault]:
    selectors = card.get("select_list") or []
    if not 1 <= len(selectors) <= 3:
        yield BAD_PARAMETER, "invalid select_list"
    questions = [selector.get("question_key") for selector in selectors]
    if not all(questions) or len(set(questions)) < len(questions):
        yield BAD_PARAMETER, "invalid question_key"
    for selector in selectors:
        options = selector.get("option_list") or []
        yield from _options(options, 10, 11)
        if selector.get("selected_id") not in {None, *(option.get("id") for option in options)}:
            yield BAD_PARAMETER, "invalid selected_id"
    yield from _submit_button(card)


RULES: Mapping[str, Callable[[Card], Iterator[Fault]]] = {
    "text_notice": _text_notice,
    "news_notice": _news_notice,
    "button_interaction": _button_interaction,
    "vote_interaction": _vote_interaction,
    "multiple_interaction": _multiple_interaction,
}
BOTH = {"action_menu", "quote_area", "horizontal_content_list", "card_action"}
FIELDS: Mapping[str, set[str]] = {
    "text_notice": BOTH | {"sub_title_text", "emphasis_content", "jump_list"},
    "news_notice": BOTH | {"jump_list", "card_image", "image_text_area", "vertical_content_list"},
    "button_interaction": BOTH | {"sub_title_text", "button_selection", "button_list"},
    "vote_interaction": {"checkbox", "submit_button"},
    "multiple_interaction": {"select_list", "submit_button"},
}


def _options(options: list[dict[str, Any]], most: int, width: int) -> Iterator[Fault]:
    ids = [str(option.get("id") or "") for option in options]
    if not 1 <= len(options) <= most:
        yield BAD_PARAMETER, "invalid option_list"
    if len(set(ids)) < len(ids) or not all(0 < len(one.encode()) <= 128 for one in ids):
        yield BAD_PARAMETER, "invalid option id"
    if not all(0 < len(str(option.get("text") or "")) <= width for option in options):
        yield BAD_PARAMETER, "invalid option text"


def _submit_button(card: Card) -> Iterator[Fault]:
    button = card.get("submit_button") or {}
    if not 0 < len(str(button.get("key") or "").encode()) <= 1024:
        yield BAD_KEY, "invalid button key"
    if not 0 < len(str(button.get("text") or "")) <= 10:
        yield BAD_BUTTON_NAME, "invalid button name"


def _card_action(card: Card, *, needed: bool) -> Iterator[Fault]:
    action = card.get("card_action") or {}
    if action.get("type") == 1 and not _is_address(action.get("url")):
        yield BAD_CARD_ACTION, "invalid card_action url"
    elif action.get("type") not in ({1, 2} if needed else {None, 0, 1, 2}):
        yield BAD_CARD_ACTION, "missing or invalid Template_Card.card_action"


def _task_id(task_id: str) -> Iterator[Fault]:
    if not 0 < len(task_id) <= 128 or not TASK_ID_CHARACTERS.issuperset(task_id):
        yield TASK_ID_FAULT


def _too_long(*texts: tuple[str, str | None, int]) -> Iterator[Fault]:
    yield from ((BAD_PARAMETER, f"{name} too long") for name, text, limit in texts if len(text or "") > limit)


def _is_address(url: Any) -> bool:
    return str(url).startswith(("http://", "https://")) and len(str(url).encode()) <= 2048
