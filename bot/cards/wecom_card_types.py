"""The five template cards, field by field (WeCom docs 90236, 94888)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.cards.wecom_limits import (
    MAX_ASPECT,
    MAX_BUTTON_TEXT,
    MAX_BUTTONS,
    MAX_FIELD_NAME,
    MAX_FIELDS,
    MAX_OPTION_TEXT,
    OPENS_PAGE,
    Limits,
)
from bot.cards.wecom_said import CardType, Said
from bot.cards.wecom_text import one_line, shorten
from bot.platforms.base import CardRef
from handlers.messages import Button, Card, Choice, Option

STYLE_PRIMARY = 1
STYLE_OTHER = 2


def template_card(kind: CardType, card: Card, said: Said, ref: CardRef | None, limits: Limits) -> dict[str, Any]:
    """Return the card as this type; texts too long for their place are shortened."""
    return {**_head(card, said, kind, limits), **_task(ref), **_BODIES[kind](card, said, limits)}


def label(text: str) -> str:
    """Return the words on a button."""
    return shorten(one_line(text), MAX_BUTTON_TEXT)


def _head(card: Card, said: Said, kind: CardType, limits: Limits) -> dict[str, Any]:
    title = {"title": shorten(said.title, limits.title)}
    if said.desc:
        title["desc"] = shorten(said.desc, limits.desc)
    return {"card_type": kind, "main_title": title}


def _task(ref: CardRef | None) -> dict[str, str]:
    return {"task_id": ref.public_id} if ref else {}


def _buttons(card: Card, said: Said, limits: Limits) -> dict[str, Any]:
    buttons = [_button(button) for button in card.buttons[:MAX_BUTTONS]]
    return {**_notice(card, said, limits), **({"button_list": buttons} if buttons else {})}


def _notice(card: Card, said: Said, limits: Limits) -> dict[str, Any]:
    sub_title = {"sub_title_text": shorten(said.text, limits.sub_title)} if said.text else {}
    return {**sub_title, **_fields(said, limits), **_link(card)}


def _news(card: Card, said: Said, limits: Limits) -> dict[str, Any]:
    """Return a card with a picture; it has no body, so the text stands below as a titled paragraph."""
    paragraph = {"vertical_content_list": [_paragraph(said.text, limits)]} if said.text else {}
    picture = {"url": card.picture_url, "aspect_ratio": MAX_ASPECT}
    return {"card_image": picture, **paragraph, **_fields(said, limits), **_link(card)}


def _vote(card: Card, _said: Said, _limits: Limits) -> dict[str, Any]:
    (choice,) = card.choices
    chosen = choice.chosen if choice.many else choice.chosen[:1]
    options = [{**_option(option), "is_checked": option.key in chosen} for option in choice.options]
    checkbox = {"question_key": choice.key, "mode": int(choice.many), "option_list": options}
    return {"checkbox": checkbox, "submit_button": _submit(card)}


def _selects(card: Card, _said: Said, _limits: Limits) -> dict[str, Any]:
    return {"select_list": [_selector(choice) for choice in card.choices], "submit_button": _submit(card)}


_BODIES: Mapping[str, Callable[[Card, Said, Limits], dict[str, Any]]] = {
    "vote_interaction": _vote,
    "multiple_interaction": _selects,
    "button_interaction": _buttons,
    "news_notice": _news,
    "text_notice": _notice,
}


def _fields(said: Said, limits: Limits) -> dict[str, Any]:
    shown = [
        {"keyname": shorten(name, MAX_FIELD_NAME), "value": shorten(value, limits.field_value)}
        for name, value in said.fields[:MAX_FIELDS]
        if name
    ]
    return {"horizontal_content_list": shown} if shown else {}


def _link(card: Card) -> dict[str, Any]:
    return {"card_action": {"type": OPENS_PAGE, "url": card.link}} if card.link else {}


def _paragraph(text: str, limits: Limits) -> dict[str, str]:
    first, _, rest = text.partition("\n")
    if len(first) > limits.vertical_title:
        first, rest = text[: limits.vertical_title], text[limits.vertical_title :]
    desc = shorten(rest.strip(), limits.vertical_desc)
    return {"title": first, **({"desc": desc} if desc else {})}


def _button(button: Button) -> dict[str, Any]:
    style = STYLE_PRIMARY if button.primary else STYLE_OTHER
    return {"text": label(button.text), "style": style, "key": button.key}


def _submit(card: Card) -> dict[str, str]:
    return {"text": label(card.buttons[0].text), "key": card.buttons[0].key}


def _selector(choice: Choice) -> dict[str, Any]:
    known = [option.key for option in choice.options if option.key in choice.chosen[:1]]
    chosen = {"selected_id": known[0]} if known else {}
    options = [_option(option) for option in choice.options]
    return {"question_key": choice.key, "title": one_line(choice.title), **chosen, "option_list": options}


def _option(option: Option) -> dict[str, str]:
    return {"id": option.key, "text": shorten(one_line(option.text), MAX_OPTION_TEXT)}
