"""Any part of a reply as plain text: for the conversation log, `daogou ask`, and cards that can no longer change."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.messages import Card, Chart, Part, Table, Text


def as_text(parts: Sequence[Part]) -> str:
    """Return all parts as text, a blank line between them; a terminal draws no bold, so its marks are left out."""
    return "\n\n".join(_part(part) for part in parts).replace("**", "")


def _part(part: Part) -> str:
    match part:
        case Text():
            return part.text
        case Table():
            return "\n".join([part.title, *(" ".join(row) for row in (part.columns, *part.rows))])
        case Chart():
            return part.title
        case Card():
            return _card(part)


def _card(card: Card) -> str:
    fields = [f"{name}：{value}" for name, value in card.fields]
    buttons = " ".join(f"[{button.text}]" for button in card.buttons)
    return "\n".join(line for line in (card.title, card.state, card.text, *fields, card.footer, buttons) if line)
