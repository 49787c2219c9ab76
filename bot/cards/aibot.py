"""Neutral parts to aibot messages: pure, the same for both of its modes (WeCom docs 101031, 101032, 101463).

    Text, News          Markdown, in messages of at most what one stream holds
    Table               a Markdown table
    Chart               first, last, lowest and highest value in words
    Card                a template card; with too much on it, its words first; with nothing to press, words alone
    Picture, File       the neutral part itself: what becomes of it depends on the mode

A payload that says more than its words keeps the neutral `part`, so that it can go another way.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from bot.cards import wecom
from bot.cards.aibot_card import MAX_BUTTONS, IllegalValue, fits, is_template, template_card, updated_card
from bot.cards.wecom_text import byte_size, clean, one_line, plain, split_text
from bot.platforms.base import CardRef
from handlers.codec import dump_part, load_part
from handlers.messages import Article, Card, Chart, File, News, Part, Picture, Table, Text
from handlers.plain import as_text

# Bytes of UTF-8 in one stream or one Markdown message (docs 101031, 101138).
MAX_MARKDOWN_BYTES = 20480
# What is left for a line of ours under a long answer.
ROOM_FOR_A_LINE = 480
MAX_PIECE_BYTES = MAX_MARKDOWN_BYTES - ROOM_FOR_A_LINE

MORE_WORDS = "也可以直接回复："
OPEN = "点这里查看"
CONTINUED = "（续）"
NO_ROWS = "（没有数据）"

# Its Markdown has no colours (doc 99110, markdown_v2).
_FONT = re.compile(r"<font color=[^>]*>(.*?)</font>", re.DOTALL)
_WITHOUT_FONT = r"\1"


def render(part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
    """Return the payloads that show the part, in order; none for an empty text."""
    match part:
        case Text():
            payloads = _texts(part.text)
        case Table():
            payloads = _tables(part)
        case Chart():
            payloads = _texts("\n".join(body[body["msgtype"]]["content"] for body in wecom.render(part)))
        case Card():
            payloads = _cards(part, card)
        case News():
            payloads = _texts("\n\n".join(map(_article, part.articles)))
        case Picture():
            payloads = [{"msgtype": "image", "part": dump_part(part)}]
        case File():
            payloads = [{"msgtype": "file", "part": dump_part(part)}]
    return payloads


def render_update(card: Card, ref: CardRef) -> dict[str, Any]:
    """Return the template card that answers a press: whole, with the same task_id (doc 101031)."""
    return updated_card(card, ref.public_id)


def wire_of(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the message as it travels: type and body, without the neutral part."""
    kind = payload["msgtype"]
    return {"msgtype": kind, kind: payload[kind]}


def part_of(payload: dict[str, Any]) -> Part:
    """Return the neutral part of a payload, for a way that draws it itself."""
    return load_part(payload["part"]) if "part" in payload else Text(payload["markdown"]["content"])


def drop_data(payload: dict[str, Any]) -> None:
    """Take the bytes of a picture or a file out of a payload that has gone out: what is recorded need not hold them."""
    if "data" in payload.get("part", {}):
        payload["part"] = payload["part"] | {"data": ""}


def words_of(payload: dict[str, Any]) -> str:
    """Return what the payload says where there is only Markdown."""
    if payload["msgtype"] == "markdown":
        return str(payload["markdown"]["content"])
    part = part_of(payload)
    return _spelled_out(part) if isinstance(part, Card) else as_text([part])


def whole(card: Card) -> str:
    """Return everything the card says, as Markdown; what could be pressed is not among it."""
    fields = "\n".join(f"{one_line(name)}：{one_line(plain(value))}" for name, value in card.fields)
    choices = "\n".join(
        f"{one_line(one.title)}：{'、'.join(one_line(option.text) for option in one.options)}" for one in card.choices
    )
    link = f"[{OPEN}]({card.link})" if card.link else ""
    title = f"**{plain(card.title)}**" if plain(card.title) else ""
    return "\n".join(filter(None, (title, card.state, card.text, fields, choices, card.footer, link)))


def _texts(text: str) -> list[dict[str, Any]]:
    colourless = _FONT.sub(_WITHOUT_FONT, clean(text))
    return [_markdown(piece) for piece in split_text(colourless, MAX_PIECE_BYTES)]


def _markdown(content: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": content}}


def _tables(table: Table) -> list[dict[str, Any]]:
    title = f"**{one_line(table.title)}**" if one_line(table.title) else ""
    heading = f"{_row(table.columns)}\n{_row(('---',) * len(table.columns))}"
    rows = [_row(row) for row in table.rows]
    if not rows:
        return _texts("\n".join(filter(None, (title, NO_ROWS))))
    room = MAX_PIECE_BYTES - byte_size(f"{title}{CONTINUED}\n\n{heading}\n")
    if room < MAX_PIECE_BYTES // 2:  # a heading that long is not worth repeating
        return _texts("\n".join([title, heading, *rows]))
    titles = [title, f"{title}{CONTINUED}" if title else ""]
    messages = [
        _markdown("\n\n".join(filter(None, (titles[number > 0], f"{heading}\n{page}"))))
        for number, page in enumerate(split_text("\n".join(rows), room))
    ]
    return [messages[0] | {"part": dump_part(table)}] if len(messages) == 1 else messages


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def _article(article: Article) -> str:
    return "\n".join(filter(None, (f"[{one_line(article.title)}]({article.url})", one_line(article.description))))


def _cards(card: Card, ref: CardRef | None) -> list[dict[str, Any]]:
    if not is_template(card):
        return _texts(_spelled_out(card))
    if ref is None:
        if card.buttons:
            raise IllegalValue("a card with buttons needs a CardRef: its public id becomes the task_id")
        return _texts(whole(card))
    shown = fits(card)
    # What was just said in full need not be said again, cut short, between the title and the buttons.
    body = template_card(card if shown else replace(card, text=""), ref.public_id)
    before = [] if shown else _texts(whole(card))
    listed = 1 if card.choices else MAX_BUTTONS
    after = _texts(_reply_words([one_line(button.text) for button in card.buttons[listed:]]))
    return [*before, {"msgtype": "template_card", "template_card": body, "part": dump_part(card)}, *after]


def _spelled_out(card: Card) -> str:
    return "\n".join(filter(None, (whole(card), _reply_words([one_line(button.text) for button in card.buttons]))))


def _reply_words(buttons: list[str]) -> str:
    return MORE_WORDS + "、".join(buttons) if buttons else ""
