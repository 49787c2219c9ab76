"""Neutral parts to WeCom message bodies: pure, without recipient and agent (WeCom docs 90236, 94888).

What WeCom cannot show degrades on purpose:

    Markdown lists, tables      plain lines (its dialect has neither)
    Table                       a heading and one line per row
    Chart                       first, last, lowest and highest value in words
    long text                   several messages, cut at line ends
    a card with too much        a message with the whole of it, then the card with the head
    more than six buttons       six on the card, the others as words to reply with
    a finished card, sent anew  a Markdown message: it has no button, and the card types without one want a link
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.cards.markdown import for_wecom_app
from bot.cards.wecom_text import (
    MAX_TEXT_BYTES,
    byte_size,
    clean,
    has_markdown,
    one_line,
    plain,
    shorten,
    split_text,
)
from bot.platforms.base import CardRef
from handlers.messages import Button, Card, Chart, File, News, Part, Picture, Table, Text
from handlers.plain import as_text

# Characters; the client cuts what is longer (doc 90236, template_card).
MAX_TITLE = 36
MAX_DESC = 44
MAX_SUB_TITLE = 160
MAX_FIELDS = 6
MAX_FIELD_NAME = 5
MAX_FIELD_VALUE = 30
MAX_BUTTONS = 6
MAX_BUTTON_TEXT = 10
# Enforced by WeCom: bytes.
MAX_KEY_BYTES = 1024
MAX_TASK_ID_BYTES = 128
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]+")

STYLE_PRIMARY = 1
STYLE_OTHER = 2

FINISHED = "已处理"
FINISHED_KEY = "finished"
MORE_WORDS = "也可以直接回复："
CONTINUED = "（续）"
NO_ROWS = "（没有数据）"


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


def render(part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
    """Return the message bodies that show the part, in order; none for an empty text."""
    match part:
        case Text():
            return _text_messages(part.text)
        case Table():
            return [_message("text", body) for body in _table_texts(part)]
        case Chart():
            return _text_messages("\n".join(_chart_lines(part)))
        case Card():
            return _card_messages(part, card)
        case Picture() | File() | News():
            return _text_messages(as_text([part]))


def render_update(card: Card, ref: CardRef) -> dict[str, Any]:
    """Return the template card that replaces a sent one.

    A finished card stays a button card and gets `replace_text`, which WeCom draws as a grey button nobody can
    press (doc 94888). text_notice would look as well, but it demands a link to somewhere (42045), and a link that
    leads nowhere useful is a worse end of a card than a dead button. What became of it stands under the title.
    """
    body = _template_card(card, ref)
    if not card.buttons:
        body["button_list"] = [{"text": FINISHED, "style": STYLE_OTHER, "key": FINISHED_KEY}]
        body["replace_text"] = FINISHED
    validate(body)
    return body


def validate(template_card: dict[str, Any]) -> None:
    """Raise `LimitExceeded` or `IllegalValue` for a button card that WeCom would refuse or cut.

    WeCom answers many faults with 42014, "task id exists", so they must not get that far.
    """
    _check_task_id(template_card.get("task_id", ""))
    title = template_card["main_title"]
    _at_most("main_title.title", title["title"], MAX_TITLE)
    _at_most("main_title.desc", title.get("desc", ""), MAX_DESC)
    _at_most("sub_title_text", template_card.get("sub_title_text", ""), MAX_SUB_TITLE)
    fields = template_card.get("horizontal_content_list", [])
    _at_most("horizontal_content_list", fields, MAX_FIELDS)
    for one in fields:
        _at_most("horizontal_content_list.keyname", one["keyname"], MAX_FIELD_NAME)
        _at_most("horizontal_content_list.value", one["value"], MAX_FIELD_VALUE)
    _check_buttons(template_card.get("button_list", []))


def _message(kind: str, content: str) -> dict[str, Any]:
    return {"msgtype": kind, kind: {"content": content}}


def _text_messages(text: str) -> list[dict[str, Any]]:
    said = for_wecom_app(clean(text))
    kind = "markdown" if has_markdown(said) else "text"
    return [_message(kind, piece) for piece in split_text(said)]


def _table_texts(table: Table) -> list[str]:
    title = f"【{one_line(table.title)}】" if table.title else ""
    columns = tuple(map(one_line, table.columns))
    rows = [tuple(map(one_line, row)) for row in table.rows]
    if len(rows) == 1:
        pairs = (f"{name}：{cell}" for name, cell in zip(columns, rows[0], strict=True))
        return split_text("\n".join([title, *pairs]))
    lines = [" · ".join(row) for row in rows] or [NO_ROWS]
    return list(_pages(title, " · ".join(columns), lines))


def _pages(title: str, heading: str, lines: list[str]) -> Iterator[str]:
    """Yield the lines in messages that each begin with the title and the heading."""
    room = MAX_TEXT_BYTES - byte_size(f"{title}{CONTINUED}\n{heading}\n")
    if room < MAX_TEXT_BYTES // 2:  # a heading that long is not worth repeating
        yield from split_text("\n".join([title, heading, *lines]))
        return
    for number, page in enumerate(split_text("\n".join(lines), room)):
        top = f"{title}{CONTINUED if number else ''}"
        yield "\n".join(filter(None, (top, heading, page)))


def _chart_lines(chart: Chart) -> Iterator[str]:
    told = [(one_line(name), _points(chart.labels, values)) for name, values in chart.series]
    told = [(name, points) for name, points in told if points]
    if not told:
        return
    yield f"【{one_line(chart.title)}】"
    for name, points in told:
        course = f"{_course(points)}，" if chart.shape == "line" else ""
        yield f"{name}：{course}{_extremes(points)}"


def _points(labels: tuple[str, ...], values: tuple[float, ...]) -> list[tuple[str, float]]:
    pairs = zip(labels, values, strict=True)
    return [(one_line(label), value) for label, value in pairs if math.isfinite(value)]


def _course(points: list[tuple[str, float]]) -> str:
    first, last = points[0][1], points[-1][1]
    change = f"（{(last - first) / abs(first):+.1%}）" if first else ""
    return f"{_number(first)} → {_number(last)}{change}"


def _extremes(points: list[tuple[str, float]]) -> str:
    low, high = min(points, key=_value), max(points, key=_value)
    return f"最低 {_number(low[1])}（{low[0]}），最高 {_number(high[1])}（{high[0]}）"


def _value(point: tuple[str, float]) -> float:
    return point[1]


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _card_messages(card: Card, ref: CardRef | None) -> list[dict[str, Any]]:
    if not card.buttons:
        return _text_messages(_whole(card))
    if ref is None:
        raise IllegalValue("a card with buttons needs a CardRef: its public id becomes the task_id")
    fits = _fits(card)
    # What was just said in full need not be said again, cut short, between the title and the buttons.
    body = _template_card(card if fits else replace(card, text=""), ref)
    validate(body)
    before = [] if fits else _text_messages(_whole(card))
    rest = [_label(button.text) for button in card.buttons[MAX_BUTTONS:]]
    after = _text_messages(MORE_WORDS + "、".join(rest)) if rest else []
    return [*before, {"msgtype": "template_card", "template_card": body}, *after]


def _template_card(card: Card, ref: CardRef) -> dict[str, Any]:
    body: dict[str, Any] = {
        "card_type": "button_interaction",
        "main_title": {"title": shorten(plain(card.title), MAX_TITLE)},
        "task_id": ref.public_id,
    }
    small, text = _small_and_text(card)
    if small:
        body["main_title"]["desc"] = shorten(small, MAX_DESC)
    if text:
        body["sub_title_text"] = shorten(text, MAX_SUB_TITLE)
    if card.fields:
        body["horizontal_content_list"] = [
            {"keyname": shorten(one_line(name), MAX_FIELD_NAME), "value": shorten(_field_value(value), MAX_FIELD_VALUE)}
            for name, value in card.fields[:MAX_FIELDS]
        ]
    if card.buttons:
        body["button_list"] = [_button(button) for button in card.buttons[:MAX_BUTTONS]]
    return body


def _small_and_text(card: Card) -> tuple[str, str]:
    """Return the line under the title and the body.

    A state outranks the footer, which then ends the body; a state too long for the line leads the body, where
    nothing is cut off its end.
    """
    state, footer, text = plain(card.state), plain(card.footer), plain(card.text)
    if not state:
        return footer, text
    if len(state) <= MAX_DESC:
        return state, "\n".join(filter(None, (text, footer)))
    return footer, "\n".join(filter(None, (state, text)))


def _fits(card: Card) -> bool:
    """Whether the card shows everything it says."""
    small, text = _small_and_text(card)
    return (
        len(plain(card.title)) <= MAX_TITLE
        and len(small) <= MAX_DESC
        and len(text) <= MAX_SUB_TITLE
        and len(card.fields) <= MAX_FIELDS
        and all(len(one_line(name)) <= MAX_FIELD_NAME for name, _ in card.fields)
        and all(len(_field_value(value)) <= MAX_FIELD_VALUE for _, value in card.fields)
    )


def _whole(card: Card) -> str:
    """Return everything the card says, as Markdown."""
    title = f"**{plain(card.title)}**"
    fields = "\n".join(f"{one_line(name)}：{_field_value(value)}" for name, value in card.fields)
    return "\n".join(filter(None, (title, card.state, card.text, fields, card.footer)))


def _button(button: Button) -> dict[str, Any]:
    style = STYLE_PRIMARY if button.primary else STYLE_OTHER
    return {"text": _label(button.text), "style": style, "key": button.key}


def _label(text: str) -> str:
    return shorten(one_line(text), MAX_BUTTON_TEXT)


def _field_value(value: str) -> str:
    return one_line(plain(value))


def _check_task_id(task_id: str) -> None:
    if not TASK_ID.fullmatch(task_id):
        raise IllegalValue("task_id: only 0-9 A-Z a-z _ - @ are allowed, and at least one of them")
    if len(task_id) > MAX_TASK_ID_BYTES:
        raise LimitExceeded("task_id", len(task_id), MAX_TASK_ID_BYTES)


def _check_buttons(buttons: list[dict[str, Any]]) -> None:
    if not buttons:
        raise IllegalValue("button_list: at least one button is needed")
    _at_most("button_list", buttons, MAX_BUTTONS)
    for button in buttons:
        _at_most("button_list.text", button["text"], MAX_BUTTON_TEXT)
        size = byte_size(button["key"])
        if size > MAX_KEY_BYTES:
            raise LimitExceeded("button_list.key", size, MAX_KEY_BYTES)
    if not all(button["key"] and button["text"] for button in buttons):
        raise IllegalValue("button_list: a button needs a text and a key")
    if len({button["key"] for button in buttons}) < len(buttons):
        raise IllegalValue("button_list.key: two buttons have the same key")


def _at_most(field: str, value: str | list[Any], limit: int) -> None:
    if len(value) > limit:
        raise LimitExceeded(field, len(value), limit)
