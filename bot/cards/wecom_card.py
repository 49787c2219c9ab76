"""A neutral card as the template card that fits it (WeCom docs 90236, 94888).

    one choice                     vote_interaction
    two or three choices           multiple_interaction
    buttons                        button_interaction
    a link and a picture           news_notice
    a link                         text_notice
    nothing to press, no link      a Markdown message: every type wants one of the two

What a type has no room for is said before it, in full, as a message. Choices no type can hold are listed and
answered in words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.cards.wecom_card_types import STYLE_OTHER, label, template_card
from bot.cards.wecom_limits import (
    APP,
    MAX_BUTTONS,
    MAX_SELECT_OPTIONS,
    MAX_SELECTORS,
    MAX_VOTE_OPTIONS,
    IllegalValue,
    Limits,
    validate,
)
from bot.cards.wecom_message import text_messages
from bot.cards.wecom_said import CardType, said_by, whole_text
from bot.platforms.base import CardRef
from handlers.messages import Button, Card, Choice

FINISHED = "已处理"
FINISHED_KEY = "finished"
MORE_WORDS = "也可以直接回复："
CHOOSE_BY_WORDS = "请直接回复您的选择。"


def card_messages(card: Card, ref: CardRef | None) -> list[dict[str, Any]]:
    """Return the messages that show the card, in order; `BadCard` for one that WeCom would refuse."""
    kind = type_of(card)
    if kind == "message":
        return text_messages("\n".join((whole_text(card), *_words_to_choose(card))))
    if card.buttons and ref is None:
        raise IllegalValue("a card with buttons needs a CardRef: its public id becomes the task_id")
    after = text_messages(_words_of(_buttons_left_over(card, kind)))
    return [*shown_card(card, kind, ref if card.buttons else None, APP), *after]


def shown_card(card: Card, kind: CardType, ref: CardRef | None, limits: Limits) -> list[dict[str, Any]]:
    """Return the template card of this type, after a message with all of it where it has not room enough."""
    said = said_by(card, kind, limits)
    # What was just said in full need not be said again, cut short, on the card.
    body = template_card(kind, card, said if said.whole else replace(said, text=""), ref, limits)
    validate(body, limits)
    before = [] if said.whole else text_messages(whole_text(card))
    return [*before, {"msgtype": "template_card", "template_card": body}]


def update_of(card: Card, ref: CardRef) -> dict[str, Any]:
    """Return the template card that replaces a sent one.

    A finished card becomes a button card with `replace_text`, which WeCom draws as a grey button nobody can press
    (doc 94888). text_notice would look as well, but it demands a link to somewhere (42045), and a link that leads
    nowhere useful is a worse end of a card than a dead button. What became of it stands under the title.
    """
    kind = type_of(card)
    if not kind.endswith("_interaction"):
        kind = "button_interaction"
    body = template_card(kind, card, said_by(card, kind, APP), ref, APP)
    if not card.buttons:
        body["button_list"] = [{"text": FINISHED, "style": STYLE_OTHER, "key": FINISHED_KEY}]
        body["replace_text"] = FINISHED
    validate(body)
    return body


def type_of(card: Card) -> CardType:
    """Return the template card that shows this card, or `message` when none does."""
    if card.buttons:
        return _type_of_choices(card.choices) if card.choices else "button_interaction"
    if card.link:
        return "news_notice" if card.picture_url else "text_notice"
    return "message"


def _type_of_choices(choices: tuple[Choice, ...]) -> CardType:
    sizes = [len(one.options) for one in choices]
    if len(choices) == 1 and 1 <= sizes[0] <= MAX_VOTE_OPTIONS:
        return "vote_interaction"
    # A selector takes one answer, never several.
    selectable = all(1 <= size <= MAX_SELECT_OPTIONS for size in sizes) and not any(one.many for one in choices)
    return "multiple_interaction" if 1 < len(choices) <= MAX_SELECTORS and selectable else "message"


def _words_to_choose(card: Card) -> list[str]:
    """Return what to reply where no type can hold the choices; the button that submits them is of no use then."""
    if not (card.buttons and card.choices):
        return []
    return list(filter(None, (CHOOSE_BY_WORDS, _words_of(card.buttons[1:]))))


def _buttons_left_over(card: Card, kind: CardType) -> tuple[Button, ...]:
    """Return the buttons that have no place; a card with choices has one, which submits them."""
    return card.buttons[MAX_BUTTONS:] if kind == "button_interaction" else card.buttons[1:]


def _words_of(buttons: tuple[Button, ...]) -> str:
    return MORE_WORDS + "、".join(label(button.text) for button in buttons) if buttons else ""
