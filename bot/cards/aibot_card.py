"""A neutral card as a template card of an aibot: pure (WeCom doc 101032, whose limits are tighter than the app's).

    choices            one: vote_interaction, two or three: multiple_interaction
    buttons            button_interaction
    picture and link   news_notice
    link               text_notice

The answer to a press replaces the whole card and repeats its task_id (doc 101031). A finished card with a link
becomes text_notice; one without stays a button card whose only button shows the card as it stands, because
text_notice demands a link and the page knows no grey button.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from bot.cards.wecom import BadCard, IllegalValue, LimitExceeded
from bot.cards.wecom_text import byte_size, one_line, plain, shorten
from handlers.messages import Button, Card, Choice

# Characters; the client cuts or wraps what is longer.
MAX_TITLE = 26
MAX_DESC = 30
MAX_SUB_TITLE = 112
MAX_FIELDS = 6
MAX_FIELD_NAME = 5
MAX_FIELD_VALUE = 26
MAX_BUTTONS = 6
MAX_BUTTON_TEXT = 10
MAX_CHECKBOX_OPTIONS = 20
MAX_OPTION_TEXT = 11
MAX_SELECTORS = 3
MAX_SELECTOR_OPTIONS = 10
# Enforced by WeCom: bytes.
MAX_KEY_BYTES = 1024
MAX_OPTION_ID_BYTES = 128
MAX_TASK_ID_BYTES = 128
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]+")

STYLE_PRIMARY = 1
STYLE_OTHER = 2
OPEN_URL = 1
PICTURE_RATIO = 2.25

FINISHED = "已处理"
FINISHED_KEY = "finished"

__all__ = ["BadCard", "IllegalValue", "LimitExceeded", "fits", "is_template", "template_card", "updated_card"]


def is_template(card: Card) -> bool:
    """Whether the card can be drawn as one: a title, something to press or open, room for all of it.

    A choice nobody submits, a fourth selector or an eleventh option cannot be drawn and is said in words.
    """
    if not plain(card.title):
        return False
    if not card.choices:
        return bool(card.buttons or card.link)
    most = MAX_CHECKBOX_OPTIONS if len(card.choices) == 1 else MAX_SELECTOR_OPTIONS
    return (
        bool(card.buttons)
        and len(card.choices) <= MAX_SELECTORS
        and all(0 < len(choice.options) <= most for choice in card.choices)
    )


def fits(card: Card) -> bool:
    """Whether the template card shows everything the card says."""
    small, text = _small_and_text(card)
    if not (len(plain(card.title)) <= MAX_TITLE and len(small) <= MAX_DESC):
        return False
    if card.choices:
        return not text and not card.fields and _choices_fit(card)
    return (
        len(text) <= (MAX_SUB_TITLE if not _is_news(card) else 0)
        and len(card.fields) <= MAX_FIELDS
        and all(len(one_line(name)) <= MAX_FIELD_NAME for name, _ in card.fields)
        and all(len(_value(value)) <= MAX_FIELD_VALUE for _, value in card.fields)
    )


def template_card(card: Card, task_id: str) -> dict[str, Any]:
    """Return the card to send; `BadCard` for one WeCom would refuse."""
    body = _head(card, task_id)
    if card.choices:
        body |= _choices(card)
    elif card.buttons:
        body |= {**_body(card), **_action(card), "button_list": [_button(one) for one in card.buttons[:MAX_BUTTONS]]}
    elif _is_news(card):
        picture = {"url": card.picture_url, "aspect_ratio": PICTURE_RATIO}
        body |= {**_fields(card), "card_image": picture, **_action(card)}
    else:
        body |= {**_body(card), **_action(card)}
    validate(body)
    return body


def updated_card(card: Card, task_id: str) -> dict[str, Any]:
    """Return the whole card that replaces the pressed one; `BadCard` for one WeCom would refuse."""
    if card.buttons and is_template(card):
        return template_card(card, task_id)
    card = replace(card, buttons=(), choices=(), picture_url="")
    body = {**_head(card, task_id), **_body(card), **_action(card)}
    if not card.link:
        button = {"text": FINISHED, "style": STYLE_OTHER, "key": FINISHED_KEY}
        body |= {"card_type": "button_interaction", "button_list": [button]}
    validate(body)
    return body


def validate(body: dict[str, Any]) -> None:
    """Raise `LimitExceeded` or `IllegalValue` for a card that WeCom would refuse or cut."""
    _check_task_id(body["task_id"])
    title = body["main_title"]
    if not title["title"]:
        raise IllegalValue("main_title.title: a card needs a title")
    _at_most("main_title.title", title["title"], MAX_TITLE)
    _at_most("main_title.desc", title.get("desc", ""), MAX_DESC)
    _at_most("sub_title_text", body.get("sub_title_text", ""), MAX_SUB_TITLE)
    _check_fields(body.get("horizontal_content_list", []))
    if "button_list" in body:
        _check_buttons(body["button_list"])
    if "submit_button" in body:
        _check_buttons([body["submit_button"]])
    _check_options(body)


def _head(card: Card, task_id: str) -> dict[str, Any]:
    title = {"title": shorten(plain(card.title), MAX_TITLE)}
    if small := _small_and_text(card)[0]:
        title["desc"] = shorten(small, MAX_DESC)
    return {"card_type": _card_type(card), "main_title": title, "task_id": task_id}


def _card_type(card: Card) -> str:
    if card.choices:
        return "vote_interaction" if len(card.choices) == 1 else "multiple_interaction"
    if card.buttons:
        return "button_interaction"
    return "news_notice" if _is_news(card) else "text_notice"


def _is_news(card: Card) -> bool:
    return bool(card.picture_url and card.link and not card.buttons)


def _body(card: Card) -> dict[str, Any]:
    text = _small_and_text(card)[1]
    return {"sub_title_text": shorten(text, MAX_SUB_TITLE), **_fields(card)} if text else _fields(card)


def _fields(card: Card) -> dict[str, Any]:
    listed = [
        {"keyname": shorten(one_line(name), MAX_FIELD_NAME), "value": shorten(_value(value), MAX_FIELD_VALUE)}
        for name, value in card.fields[:MAX_FIELDS]
    ]
    return {"horizontal_content_list": listed} if listed else {}


def _action(card: Card) -> dict[str, Any]:
    return {"card_action": {"type": OPEN_URL, "url": card.link}} if card.link else {}


def _choices(card: Card) -> dict[str, Any]:
    submit = {"text": _label(card.buttons[0].text), "key": card.buttons[0].key}
    if len(card.choices) == 1:
        return {"checkbox": _checkbox(card.choices[0]), "submit_button": submit}
    return {"select_list": [_selector(choice) for choice in card.choices], "submit_button": submit}


def _checkbox(choice: Choice) -> dict[str, Any]:
    options = [
        {"id": one.key, "text": _option(one.text), "is_checked": one.key in choice.chosen} for one in choice.options
    ]
    return {"question_key": choice.key, "mode": 1 if choice.many else 0, "option_list": options}


def _selector(choice: Choice) -> dict[str, Any]:
    body: dict[str, Any] = {"question_key": choice.key, "title": shorten(one_line(choice.title), MAX_DESC)}
    body["option_list"] = [{"id": one.key, "text": _option(one.text)} for one in choice.options]
    return body | ({"selected_id": choice.chosen[0]} if choice.chosen else {})


def _choices_fit(card: Card) -> bool:
    """Whether each option can be read; the title of a single choice has no place of its own."""
    alone = len(card.choices) == 1
    return all(
        not (alone and choice.title)
        and len(one_line(choice.title)) <= MAX_DESC
        and all(len(one_line(option.text)) <= MAX_OPTION_TEXT for option in choice.options)
        for choice in card.choices
    )


def _small_and_text(card: Card) -> tuple[str, str]:
    """Return the line under the title and the body; a state outranks the footer, one too long leads the body."""
    state, footer, text = plain(card.state), plain(card.footer), plain(card.text)
    if not state:
        return footer, text
    if len(state) <= MAX_DESC:
        return state, "\n".join(filter(None, (text, footer)))
    return footer, "\n".join(filter(None, (state, text)))


def _button(button: Button) -> dict[str, Any]:
    style = STYLE_PRIMARY if button.primary else STYLE_OTHER
    return {"text": _label(button.text), "style": style, "key": button.key}


def _label(text: str) -> str:
    return shorten(one_line(text), MAX_BUTTON_TEXT)


def _option(text: str) -> str:
    return shorten(one_line(text), MAX_OPTION_TEXT)


def _value(value: str) -> str:
    return one_line(plain(value))


def _check_task_id(task_id: str) -> None:
    if not TASK_ID.fullmatch(task_id):
        raise IllegalValue("task_id: only 0-9 A-Z a-z _ - @ are allowed, and at least one of them")
    if len(task_id) > MAX_TASK_ID_BYTES:
        raise LimitExceeded("task_id", len(task_id), MAX_TASK_ID_BYTES)


def _check_fields(fields: list[dict[str, Any]]) -> None:
    _at_most("horizontal_content_list", fields, MAX_FIELDS)
    for one in fields:
        _at_most("horizontal_content_list.keyname", one["keyname"], MAX_FIELD_NAME)
        _at_most("horizontal_content_list.value", one["value"], MAX_FIELD_VALUE)


def _check_buttons(buttons: list[dict[str, Any]]) -> None:
    _at_most("button_list", buttons, MAX_BUTTONS)
    for button in buttons:
        if not button["key"] or not button["text"]:
            raise IllegalValue("button_list: a button needs a text and a key")
        _at_most("button_list.text", button["text"], MAX_BUTTON_TEXT)
        _check_bytes("button_list.key", button["key"], MAX_KEY_BYTES)
    _check_unique("button_list.key", [button["key"] for button in buttons])


def _check_options(body: dict[str, Any]) -> None:
    asked = [body["checkbox"]] if "checkbox" in body else body.get("select_list", [])
    for one in asked:
        if not one["question_key"]:
            raise IllegalValue("question_key: a choice needs a key")
        for option in one["option_list"]:
            if not option["id"] or not option["text"]:
                raise IllegalValue("option_list: an option needs an id and a text")
            _check_bytes("option_list.id", option["id"], MAX_OPTION_ID_BYTES)
        _check_unique("option_list.id", [option["id"] for option in one["option_list"]])
    _check_unique("question_key", [one["question_key"] for one in asked])


def _check_unique(field: str, keys: list[str]) -> None:
    if len(set(keys)) < len(keys):
        raise IllegalValue(f"{field}: two are the same")


def _check_bytes(field: str, value: str, limit: int) -> None:
    if byte_size(value) > limit:
        raise LimitExceeded(field, byte_size(value), limit)


def _at_most(field: str, value: str | list[Any], limit: int) -> None:
    if len(value) > limit:
        raise LimitExceeded(field, len(value), limit)
