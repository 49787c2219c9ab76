"""Neutral parts → payloads of a DingTalk group robot: what `bot.cards.dingtalk` makes, without what it cannot carry.

A robot of this kind uploads nothing and hears nothing. So pictures and files are said in words, tables are lists, and
a card has no buttons but the one that opens its page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.cards.dingtalk import as_links, as_list, as_markdown, words_of
from bot.cards.dingtalk_card import OPEN_LINK, card_as_message, is_web
from bot.cards.dingtalk_markdown import cut_title, split, title_of
from bot.cards.dingtalk_words import chart_text
from bot.cards.file_name import file_name
from handlers.messages import Card, Chart, File, News, Part, Picture, Table, Text

Payload = dict[str, Any]


def render(part: Part) -> list[Payload]:
    """Return the payloads that show this part, in order; pure."""
    match part:
        case Text():
            payloads = as_markdown(title_of(part.text), part.text)
        case Table():
            payloads = as_list(part)
        case Chart():
            payloads = as_markdown(part.title, chart_text(part))
        case Card():
            payloads = _card(part)
        case Picture():
            payloads = words_of({"type": "picture", "name": file_name(part.name), "alt": part.alt})
        case File():
            payloads = words_of({"type": "file", "name": file_name(part.name)})
        case News():
            payloads = as_links(part)
    return payloads


def _card(card: Card) -> list[Payload]:
    text = card_as_message(replace(card, buttons=(), choices=(), link=""))
    pieces = split(text)
    if not (is_web(card.link) and len(pieces) == 1):
        return as_markdown(card.title, card_as_message(replace(card, buttons=(), choices=())))
    title = cut_title(card.title)
    return [{"type": "actionCard", "title": title, "text": pieces[0], "action": OPEN_LINK, "url": card.link}]
