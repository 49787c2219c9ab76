"""What a template card may hold, and the check of it before it travels (WeCom docs 90236, 94888; groups 99110).

WeCom answers many faults of a card with 42014, "task id exists", and cuts others without a word. So a card is
checked here, and the error names the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cards.wecom_text import byte_size


@dataclass(frozen=True, slots=True)
class Limits:
    """Characters a client shows before it cuts, where an app's card and a group's differ."""

    title: int
    desc: int
    sub_title: int
    source: int
    field_value: int
    jump_title: int
    vertical_title: int
    vertical_desc: int


APP = Limits(
    title=36, desc=44, sub_title=160, source=20, field_value=30, jump_title=18, vertical_title=38, vertical_desc=160
)
GROUP = Limits(
    title=26, desc=30, sub_title=112, source=13, field_value=26, jump_title=13, vertical_title=26, vertical_desc=112
)
# The same everywhere: characters,
MAX_FIELD_NAME = 5
MAX_BUTTON_TEXT = 10
MAX_OPTION_TEXT = 11
MAX_EMPHASIS_TITLE = 10
MAX_EMPHASIS_DESC = 15
# counts,
MAX_FIELDS = 6
MAX_BUTTONS = 6
MAX_MENU = 3
MAX_JUMPS = 3
MAX_VERTICALS = 4
MAX_VOTE_OPTIONS = 20
MAX_SELECTORS = 3
MAX_SELECT_OPTIONS = 10
# bytes of UTF-8,
MAX_KEY_BYTES = 1024
MAX_OPTION_ID_BYTES = 128
MAX_TASK_ID_BYTES = 128
MAX_URL_BYTES = 2048
# and the shape of the picture, width to height.
MIN_ASPECT = 1.3
MAX_ASPECT = 2.25
OPENS_PAGE = 1
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]+")
WEB_ADDRESS = re.compile(r"https?://[^\s]+")

_NOTICE = frozenset(
    {"source", "action_menu", "main_title", "quote_area", "horizontal_content_list", "jump_list", "card_action"}
)
_EVERY = frozenset({"card_type", "task_id", "replace_text"})
FIELDS: Mapping[str, frozenset[str]] = {
    "text_notice": _NOTICE | {"sub_title_text", "emphasis_content"},
    "news_notice": _NOTICE | {"card_image", "image_text_area", "vertical_content_list"},
    "button_interaction": _NOTICE - {"jump_list"} | {"sub_title_text", "button_selection", "button_list"},
    "vote_interaction": frozenset({"source", "main_title", "checkbox", "submit_button"}),
    "multiple_interaction": frozenset({"source", "main_title", "select_list", "submit_button"}),
}
_SUBMITTED = ("main_title.title", "task_id", "submit_button.text", "submit_button.key")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "text_notice": ("card_action.type",),
    "news_notice": ("main_title.title", "card_action.type"),
    "button_interaction": ("main_title.title", "task_id", "button_list"),
    "vote_interaction": (*_SUBMITTED, "checkbox.question_key", "checkbox.option_list"),
    "multiple_interaction": (*_SUBMITTED, "select_list"),
}
# What every entry of a list must have.
ENTRIES: Mapping[str, tuple[str, ...]] = {
    "action_menu.action_list": ("text", "key"),
    "horizontal_content_list": ("keyname",),
    "jump_list": ("title",),
    "vertical_content_list": ("title",),
    "button_list": ("text", "key"),
    "button_selection.option_list": ("id", "text"),
    "checkbox.option_list": ("id", "text"),
    "select_list": ("question_key", "option_list"),
    "select_list.option_list": ("id", "text"),
}
UNIQUE = ("action_menu.action_list.key", "button_list.key", "checkbox.option_list.id", "select_list.question_key")
COUNTS: Mapping[str, int] = {
    "action_menu.action_list": MAX_MENU,
    "horizontal_content_list": MAX_FIELDS,
    "jump_list": MAX_JUMPS,
    "vertical_content_list": MAX_VERTICALS,
    "button_list": MAX_BUTTONS,
    "button_selection.option_list": MAX_SELECT_OPTIONS,
    "checkbox.option_list": MAX_VOTE_OPTIONS,
    "select_list": MAX_SELECTORS,
    "select_list.option_list": MAX_SELECT_OPTIONS,
}
BYTES: Mapping[str, int] = {
    "task_id": MAX_TASK_ID_BYTES,
    "action_menu.action_list.key": MAX_KEY_BYTES,
    "button_list.key": MAX_KEY_BYTES,
    "submit_button.key": MAX_KEY_BYTES,
    "button_selection.option_list.id": MAX_OPTION_ID_BYTES,
    "checkbox.option_list.id": MAX_OPTION_ID_BYTES,
    "select_list.option_list.id": MAX_OPTION_ID_BYTES,
    "card_action.url": MAX_URL_BYTES,
    "card_image.url": MAX_URL_BYTES,
    "jump_list.url": MAX_URL_BYTES,
}
ADDRESSES = ("card_action.url", "card_image.url", "jump_list.url")


class BadCard(ValueError):
    """A card WeCom would refuse."""


class LimitExceeded(BadCard):
    """Too long or too many; the message names field, size and limit."""

    def __init__(self, field: str, size: int, limit: int) -> None:
        super().__init__(f"{field}: {size}, limit {limit}")
        self.field = field
        self.size = size
        self.limit = limit


class IllegalValue(BadCard):
    """A field that is missing or has the wrong form."""


def validate(card: Mapping[str, Any], limits: Limits = APP) -> None:
    """Raise `LimitExceeded` or `IllegalValue` for a template card that WeCom would refuse or cut."""
    kind = str(card.get("card_type"))
    if kind not in FIELDS:
        raise IllegalValue(f"card_type: {kind} is none")
    if strange := sorted(card.keys() - FIELDS[kind] - _EVERY):
        raise IllegalValue(f"{strange[0]}: not a field of {kind}")
    _check_presence(card, kind)
    _check_sizes(card, limits)
    _check_form(card)
    _check_action(card.get("card_action") or {}, kind)
    _check_choices(card)


def characters(limits: Limits) -> dict[str, int]:
    """Return how many characters each text of a card may have."""
    return {
        "source.desc": limits.source,
        "main_title.title": limits.title,
        "main_title.desc": limits.desc,
        "sub_title_text": limits.sub_title,
        "emphasis_content.title": MAX_EMPHASIS_TITLE,
        "emphasis_content.desc": MAX_EMPHASIS_DESC,
        "horizontal_content_list.keyname": MAX_FIELD_NAME,
        "horizontal_content_list.value": limits.field_value,
        "jump_list.title": limits.jump_title,
        "vertical_content_list.title": limits.vertical_title,
        "vertical_content_list.desc": limits.vertical_desc,
        "button_list.text": MAX_BUTTON_TEXT,
        "checkbox.option_list.text": MAX_OPTION_TEXT,
        # The page names no number for these; they stand in the same width.
        "select_list.option_list.text": MAX_OPTION_TEXT,
        "button_selection.option_list.text": MAX_OPTION_TEXT,
        "submit_button.text": MAX_BUTTON_TEXT,
    }


def _check_presence(card: Mapping[str, Any], kind: str) -> None:
    for path in REQUIRED[kind]:
        if not any(_at(card, path)):
            raise IllegalValue(f"{path}: {kind} needs it")
    if kind == "text_notice" and not any((*_at(card, "main_title.title"), *_at(card, "sub_title_text"))):
        raise IllegalValue("main_title.title: text_notice needs it, or sub_title_text")
    if kind == "news_notice" and not (card.get("card_image") or card.get("image_text_area")):
        raise IllegalValue("card_image: news_notice needs it, or image_text_area")
    for path, names in ENTRIES.items():
        for entry in (one for found in _at(card, path) for one in found):
            if missing := [name for name in names if not entry.get(name)]:
                raise IllegalValue(f"{path}.{missing[0]}: every entry needs it")


def _check_sizes(card: Mapping[str, Any], limits: Limits) -> None:
    sizes: tuple[tuple[Mapping[str, int], Any], ...] = (
        (COUNTS, len),
        (characters(limits), len),
        (BYTES, byte_size),
    )
    for most, size in sizes:
        for path, limit in most.items():
            for value in _at(card, path):
                if size(value) > limit:
                    raise LimitExceeded(path, size(value), limit)


def _check_form(card: Mapping[str, Any]) -> None:
    for task_id in _at(card, "task_id"):
        if not TASK_ID.fullmatch(task_id):
            raise IllegalValue("task_id: only 0-9 A-Z a-z _ - @ are allowed, and at least one of them")
    for path in ADDRESSES:
        if not all(WEB_ADDRESS.fullmatch(url) for url in _at(card, path)):
            raise IllegalValue(f"{path}: must begin with http:// or https://")
    for path in UNIQUE:
        keys = list(_at(card, path))
        if len(set(keys)) < len(keys):
            raise IllegalValue(f"{path}: two of them are the same")
    if not all(MIN_ASPECT <= ratio <= MAX_ASPECT for ratio in _at(card, "card_image.aspect_ratio")):
        raise IllegalValue(f"card_image.aspect_ratio: from {MIN_ASPECT} to {MAX_ASPECT}")
    if card.get("quote_area") and card.get("emphasis_content"):
        raise IllegalValue("quote_area: not together with emphasis_content")


def _check_action(action: Mapping[str, Any], kind: str) -> None:
    """Check what a touch does: 1 opens a page, 2 a mini program; a card with buttons may do nothing."""
    known = (1, 2) if kind.endswith("_notice") else (None, 0, 1, 2)
    if action.get("type") not in known:
        raise IllegalValue(f"card_action.type: {action.get('type')} is none")
    if action.get("type") == OPENS_PAGE and not action.get("url"):
        raise IllegalValue("card_action.url: type 1 needs it")


def _check_choices(card: Mapping[str, Any]) -> None:
    """Check what is chosen already: known, and only one where one can be chosen."""
    box = card.get("checkbox") or {}
    if not box.get("mode") and sum(bool(option.get("is_checked")) for option in box.get("option_list", [])) > 1:
        raise IllegalValue("checkbox.option_list.is_checked: two, and only one can be chosen")
    for selector in card.get("select_list", []):
        ids = [option["id"] for option in selector["option_list"]]
        if len(set(ids)) < len(ids):
            raise IllegalValue("select_list.option_list.id: two of them are the same")
        if selector.get("selected_id", ids[0]) not in ids:
            raise IllegalValue("select_list.selected_id: no option has it")


def _at(value: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a dotted path, going into every entry of a list on the way."""
    name, _, rest = path.partition(".")
    entries = value if isinstance(value, list) else [value]
    for found in (entry[name] for entry in entries if name in entry):
        if rest:
            yield from _at(found, rest)
        else:
            yield found
