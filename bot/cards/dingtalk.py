"""Neutral parts → DingTalk bodies: `{"type": "markdown", …}` and `{"type": "card", …}`.

DingTalk's Markdown knows headings, quotes, bold, links and lists; a line break needs a blank line or two spaces
before it; phones show a Markdown table as its source text, so tables become lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, pairwise
from typing import Any

from bot.platforms.base import CardRef
from handlers.messages import Button, Card, Chart, File, News, Part, Picture, Table, Text
from handlers.plain import as_text

# A message is split below these: long ones are refused or cut (msgParam holds 15,000 bytes of JSON).
MESSAGE_CHARS = 3_500
MESSAGE_BYTES = 14_000
# Of control characters, which JSON writes in six bytes, this many always fit.
SAFE_CHARS = 2_000
# Above some 3,000 characters cards are reported blank on phones.
CARD_CHARS = 3_000
TITLE_CHARS = 20
TABLE_ROWS = 60

UNTITLED = "导购助手"
MORE_ROWS = "还有 {count} 行没有列出，可以问得再细一些，比如只看一家店。"
CUT = "……（内容较长，后面的没有显示）"
BREAK = "\n\n"
CLOSE_CODE = f"\n```{BREAK}"
REPLY_WITH = "回复{words}即可。"
NO_DATA = "没有数据"

MARKS = re.compile(r"[#>*_`~]+|^\s*(?:[-+]|\d+[.、])\s+|!?\[|\]\([^)]*\)")


def render(part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
    """Return the bodies that show this part, in order; pure.

    A card without a `CardRef` has nothing a press could be traced to and becomes Markdown.
    """
    match part:
        case Text():
            return _markdown(title_of(part.text), part.text)
        case Table():
            return _markdown(part.title or UNTITLED, table_text(part))
        case Chart():
            return _markdown(part.title or UNTITLED, chart_text(part))
        case Card() if card is not None:
            return [_card(part, card.public_id)]
        case Card():
            return _markdown(part.title, card_as_message(part))
        case Picture() | File() | News():
            return _markdown(UNTITLED, as_text([part]))


def card_params(card: Card) -> dict[str, str]:
    """Return the variables of the "Markdown and buttons" template; every value is a string."""
    buttons = [_button(button) for button in _checked(card.buttons)]
    return {
        "title": card.title,
        "markdown": _card_body(card),
        "tips": card.footer,
        "sys_full_json_obj": json.dumps({"msgButtons": buttons}, ensure_ascii=False),
    }


def card_as_message(card: Card) -> str:
    """Return a card as Markdown whose last line says which word to reply, for where it cannot be shown."""
    parts = [f"#### {card.title}", _card_body(card), card.footer]
    if card.buttons:
        words = "或".join(f"「{button.text}」" for button in card.buttons)
        parts.append(REPLY_WITH.format(words=words))
    return BREAK.join(part for part in parts if part)


def title_of(text: str) -> str:
    """Return the first words of a text, as the conversation list and the notification show them."""
    lines = (MARKS.sub("", line).strip() for line in text.splitlines())
    first = next((line for line in lines if any(map(str.isalnum, line))), UNTITLED)
    return first if len(first) <= TITLE_CHARS else first[: TITLE_CHARS - 1] + "…"


def table_text(table: Table) -> str:
    """Return a table as list lines; rows that share their first cell stand under it."""
    shown, rest = table.rows[:TABLE_ROWS], len(table.rows) - TABLE_ROWS
    blocks = [f"**{table.title}**"] if table.title else []
    blocks += _grouped_rows(table.columns, shown) if _has_groups(shown) else ["\n".join(_rows(table.columns, shown))]
    if not shown:
        blocks = [*blocks[:1], NO_DATA]
    if rest > 0:
        blocks.append(MORE_ROWS.format(count=rest))
    return BREAK.join(block for block in blocks if block)


def chart_text(chart: Chart) -> str:
    """Return what a chart would let one see: the way and the extremes of a line, the ends of a ranking."""
    summary = _line_summary if chart.shape == "line" else _bar_summary
    lines = [f"- **{name}**：{summary(chart.labels, values)}" for name, values in chart.series]
    head = [f"**{chart.title}**"] if chart.title else []
    return BREAK.join([*head, "\n".join(lines) or NO_DATA])


def split(text: str) -> list[str]:
    """Return the text in pieces that DingTalk takes, cut between blocks where possible, with real line breaks."""
    pieces: list[str] = []
    for block in chain.from_iterable(map(_pieces_of_block, _blocks(text))):
        if pieces and _fits(joined := f"{pieces[-1]}\n\n{block}"):
            pieces[-1] = joined
        else:
            pieces.append(block)
    return pieces


def _markdown(title: str, text: str) -> list[dict[str, Any]]:
    return [{"type": "markdown", "title": title, "text": piece} for piece in split(text)]


def _card(card: Card, public_id: str) -> dict[str, Any]:
    fallback = _markdown(card.title, card_as_message(card))[0]
    return {"type": "card", "out_track_id": public_id, "params": card_params(card), "fallback": fallback}


def _button(button: Button) -> dict[str, Any]:
    # Blue and gray are the colours certain to exist; `request` makes the click come back to the robot.
    color = "blue" if button.primary else "gray"
    return {"text": button.text, "color": color, "id": button.key, "request": True}


def _checked(buttons: Sequence[Button]) -> Sequence[Button]:
    keys = [button.key for button in buttons]
    for key in keys:
        if not key or key[-1].isdigit():
            raise ValueError(f"button key {key!r} is empty or ends in a digit, which DingTalk uses for the index")
    if len(set(keys)) != len(keys):
        raise ValueError(f"button keys are not unique: {keys}")
    return buttons


def _card_body(card: Card) -> str:
    """Fields, text and state; when all of it is too long, the text is what gets shorter."""
    fields = _drawn("\n".join(f"**{name}**：{value}" for name, value in card.fields))
    state = f"**{card.state}**" if card.state else ""
    room = CARD_CHARS - len(fields) - len(state) - 2 * len(BREAK)
    parts = [fields, _shortened(_drawn(card.text), max(room, 0)), state]
    whole = BREAK.join(part for part in parts if part)
    return whole if len(whole) <= CARD_CHARS else whole[: CARD_CHARS - len(CUT)] + CUT


def _shortened(text: str, room: int) -> str:
    """Cut the text at the end of a line, with a note; a code block cut open is closed."""
    if len(text) <= room:
        return text
    kept = text[: max(room - len(CUT) - len(CLOSE_CODE), 0)]
    cut = kept.rfind("\n")
    kept = kept[:cut].rstrip() if cut > 0 else kept
    is_open = sum(map(_is_code, kept.splitlines())) % 2 == 1
    return f"{kept}{CLOSE_CODE if is_open else BREAK}{CUT}"


def _drawn(text: str) -> str:
    return BREAK.join(_blocks(text))


def _blocks(text: str) -> Iterator[str]:
    """Yield paragraphs, lists and code blocks; inside a block every line break is one DingTalk draws."""
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        mark = line.lstrip().startswith("```")
        if (mark and not fenced) or (not line.strip() and not fenced):
            yield from _block(lines)
            lines = []
        if line.strip() or fenced:
            lines.append(line)
        if mark and fenced:
            yield from _block(lines)
            lines = []
        fenced ^= mark
    yield from _block([*lines, "```"] if fenced else lines)


def _block(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ("\n" if _is_code(lines[0]) else "  \n").join(line.rstrip() for line in lines)


def _is_code(block: str) -> bool:
    return block.lstrip().startswith("```")


def _pieces_of_block(block: str) -> Iterator[str]:
    """Yield the block, or, when it is too long, groups of its lines; code is fenced again in each."""
    if _fits(block):
        yield block
        return
    opening, closing = (f"{block.splitlines()[0]}\n", "\n```") if _is_code(block) else ("", "")
    lines = block.splitlines()[1:-1] if closing else block.splitlines()
    group = ""
    for line in chain.from_iterable(map(_pieces_of_line, lines)):
        joined = f"{group}\n{line}" if group else line
        if group and not _fits(f"{opening}{joined}{closing}"):
            yield f"{opening}{group}{closing}"
            joined = line
        group = joined
    yield f"{opening}{group}{closing}"


def _pieces_of_line(line: str) -> Iterator[str]:
    while not _fits(line):
        size = MESSAGE_CHARS - 100 if _fits(line[: MESSAGE_CHARS - 100]) else SAFE_CHARS
        yield line[:size]
        line = line[size:]
    yield line


def _fits(text: str) -> bool:
    return len(text) <= MESSAGE_CHARS and len(json.dumps(text, ensure_ascii=False).encode()) <= MESSAGE_BYTES


def _has_groups(rows: Sequence[tuple[str, ...]]) -> bool:
    return any(len(a) > 2 and a[:1] == b[:1] for a, b in pairwise(rows))


def _grouped_rows(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    groups = groupby(rows, key=lambda row: row[0])
    return [
        BREAK.join([f"**{name}**", "\n".join(_rows(columns[1:], [row[1:] for row in members]))])
        for name, members in groups
    ]


def _rows(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(columns, row) for row in rows]


def _row(columns: Sequence[str], row: tuple[str, ...]) -> str:
    if len(row) == 1:
        return f"- {row[0]}"
    cells = "，".join(f"{name} {cell}" for name, cell in zip(columns[1:], row[1:], strict=False))
    return f"- **{row[0]}**：{cells}"


def _line_summary(labels: Sequence[str], values: Sequence[float]) -> str:
    points = list(zip(labels, values, strict=False))
    if not points:
        return NO_DATA
    (first_label, first), (last_label, last) = points[0], points[-1]
    top, bottom = max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])
    way = f"{first_label} {_number(first)}，{last_label} {_number(last)}{_change(first, last)}"
    return f"{way}；最高 {top[0]} {_number(top[1])}，最低 {bottom[0]} {_number(bottom[1])}"


def _bar_summary(labels: Sequence[str], values: Sequence[float]) -> str:
    ranked = sorted(zip(labels, values, strict=False), key=lambda point: -point[1])
    if not ranked:
        return NO_DATA
    best = "、".join(f"{label} {_number(value)}" for label, value in ranked[:3])
    if len(ranked) <= 3:
        return f"从高到低 {best}"
    return f"前三 {best}；最低 {ranked[-1][0]} {_number(ranked[-1][1])}"


def _change(first: float, last: float) -> str:
    return f"（{(last - first) / first:+.1%}）" if first > 0 else ""


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
