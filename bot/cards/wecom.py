"""Neutral parts to WeCom message bodies: pure, without recipient and agent (WeCom docs 90236, 94888).

What WeCom cannot show degrades on purpose:

    Markdown lists, tables      plain lines (its dialect has neither)
    Table                       a heading and one line per row; a large one a picture and a short text
    Chart                       first, last, lowest and highest value in words
    long text                   several messages, cut at line ends
    a card with too much        a message with the whole of it, then the card with the head
    more than six buttons       six on the card, the others as words to reply with
    a picture beside buttons    left out: no card has both
    a finished card, sent anew  a Markdown message, unless it has a link

Pictures and files are named here and uploaded when they are sent: a body with `table` or `upload` is not what
travels yet.
"""

from __future__ import annotations

from typing import Any

from bot.cards.picture import TablePictures
from bot.cards.wecom_card import card_messages, update_of
from bot.cards.wecom_limits import BadCard, IllegalValue, LimitExceeded
from bot.cards.wecom_lines import chart_lines, table_texts
from bot.cards.wecom_message import message, text_messages
from bot.cards.wecom_news import news_messages
from bot.platforms.base import CardRef
from handlers.codec import dump_part
from handlers.messages import Card, Chart, File, News, Part, Picture, Table, Text

__all__ = ["BadCard", "IllegalValue", "LimitExceeded", "render", "render_update"]


def render(part: Part, card: CardRef | None = None, pictures: TablePictures | None = None) -> list[dict[str, Any]]:
    """Return the message bodies that show the part, in order; none for an empty text.

    Without `pictures` every table becomes lines. `BadCard` for what WeCom would refuse.
    """
    match part:
        case Text():
            return text_messages(part.text)
        case Table():
            return _table(part, pictures)
        case Chart():
            return text_messages("\n".join(chart_lines(part)))
        case Card():
            return card_messages(part, card)
        case Picture() | File():
            kind = "image" if isinstance(part, Picture) else "file"
            return [{"msgtype": kind, "upload": {"name": part.name, "data": part.data}}]
        case News():
            return list(news_messages(part))


def render_update(card: Card, ref: CardRef) -> dict[str, Any]:
    """Return the template card that replaces a sent one; `BadCard` for what WeCom would refuse."""
    return update_of(card, ref)


def _table(table: Table, pictures: TablePictures | None) -> list[dict[str, Any]]:
    if pictures is None or not pictures.worth_picture(table):
        return [message("text", text) for text in table_texts(table)]
    return [{"msgtype": "image", "table": dump_part(table)}, *text_messages(pictures.short_text(table))]
