"""Neutral parts to the bodies a WeCom group's webhook takes (docs 99110, 91770): pure.

Text                  text; markdown_v2 where it has marks; markdown where it has colours, which v2 has not
Table                 a Markdown table, which v2 draws; a large one a picture and a short text
Card with a link      text_notice or news_notice, the two types a group takes
Card with buttons     Markdown that says where they can be pressed: nothing comes back from a group
Picture, File         uploaded or encoded when they are sent
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.cards.markdown import for_wecom_app, for_wecom_v2
from bot.cards.picture import TablePictures
from bot.cards.wecom_card import shown_card, type_of
from bot.cards.wecom_limits import GROUP
from bot.cards.wecom_lines import CONTINUED, NO_ROWS, chart_lines
from bot.cards.wecom_message import message
from bot.cards.wecom_news import news_messages
from bot.cards.wecom_said import whole_text
from bot.cards.wecom_text import MAX_TEXT_BYTES, byte_size, clean, has_markdown, one_line, split_text
from handlers.codec import dump_part
from handlers.messages import Card, Chart, File, News, Part, Picture, Table, Text

MAX_MARKDOWN_BYTES = 4096
FONT = re.compile(r'<font color="(?:info|comment|warning)">')
TABLE_RULE = re.compile(r"^\|[ :|-]*-[ :|-]*\|$", re.MULTILINE)
PRESS_ELSEWHERE = "群里不能操作，请打开导购应用发一句话：{words}"
OPEN_APP = "群里不能操作，请打开导购应用处理。"


def render(part: Part, pictures: TablePictures | None = None) -> list[dict[str, Any]]:
    """Return the bodies that show the part, in order; `BadCard` for what WeCom would refuse."""
    match part:
        case Text():
            return group_texts(part.text)
        case Table():
            return _table(part, pictures)
        case Chart():
            return group_texts("\n".join(chart_lines(part)))
        case Card():
            return _card(part)
        case Picture() | File():
            kind = "image" if isinstance(part, Picture) else "file"
            return [{"msgtype": kind, "upload": {"name": part.name, "data": part.data}}]
        case News():
            return list(news_messages(part))


def group_texts(text: str) -> list[dict[str, Any]]:
    """Return the text in the plainest message type that shows all of it."""
    cleaned = clean(text)
    if FONT.search(cleaned):
        return [message("markdown", piece) for piece in split_text(for_wecom_app(cleaned), MAX_MARKDOWN_BYTES)]
    if has_markdown(cleaned) or TABLE_RULE.search(cleaned):
        return [message("markdown_v2", piece) for piece in split_text(for_wecom_v2(cleaned), MAX_MARKDOWN_BYTES)]
    return [message("text", piece) for piece in split_text(for_wecom_app(cleaned), MAX_TEXT_BYTES)]


def _table(table: Table, pictures: TablePictures | None) -> list[dict[str, Any]]:
    if pictures is not None and pictures.worth_picture(table):
        return [{"msgtype": "image", "table": dump_part(table)}, *group_texts(pictures.short_text(table))]
    return [message("markdown_v2", page) for page in _pages(table)]


def _pages(table: Table) -> Iterator[str]:
    """Yield the table in messages that each begin with title and heading."""
    title = one_line(table.title)
    heading = [_row(table.columns), _row("---" for _ in table.columns)]
    rows = [_row(row) for row in table.rows] or [NO_ROWS]
    room = MAX_MARKDOWN_BYTES - byte_size("\n".join((f"**{title}{CONTINUED}**\n", *heading, "")))
    for number, page in enumerate(split_text("\n".join(rows), max(room, MAX_MARKDOWN_BYTES // 2))):
        top = [f"**{title}{CONTINUED if number else ''}**\n"] if title else []
        yield from split_text("\n".join([*top, *heading, page]), MAX_MARKDOWN_BYTES)


def _row(cells: Any) -> str:
    # A bar inside a cell would begin the next one.
    return "|" + "|".join(one_line(cell).replace("|", "｜") for cell in cells) + "|"


def _card(card: Card) -> list[dict[str, Any]]:
    if card.buttons:
        said = whole_text(replace(card, buttons=(), choices=()))
        return group_texts(f"{said}\n{_where_to_press(card)}")
    kind = type_of(card)
    if kind == "message":
        return group_texts(whole_text(card))
    *before, notice = shown_card(card, kind, None, GROUP)
    return [*(group_texts(whole_text(card)) if before else []), notice]


def _where_to_press(card: Card) -> str:
    words = "、".join(f"「{one_line(button.text)}」" for button in card.buttons if one_line(button.text))
    return PRESS_ELSEWHERE.format(words=words) if words and not card.choices else OPEN_APP
