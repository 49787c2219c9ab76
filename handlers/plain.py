"""Any part of a reply as plain text: for the conversation log, `daogou ask`, and cards that can no longer change."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.messages import Card, Chart, File, News, Part, Picture, Table, Text


def as_text(parts: Sequence[Part]) -> str:
    """Return all parts as text, a blank line between them; a terminal draws no bold, so its marks are left out."""
    return "\n\n".join(_part(part) for part in parts).replace("**", "")


def _part(part: Part) -> str:
    match part:
        case Text():
            said = part.text
        case Table():
            said = "\n".join([part.title, *(" ".join(row) for row in (part.columns, *part.rows))])
        case Chart():
            said = part.title
        case Card():
            said = _card(part)
        case Picture():
            said = part.alt or f"[{part.name}]"
        case File():
            said = f"[{part.name}]"
        case News():
            said = "\n".join(f"{article.title} {article.url}" for article in part.articles)
    return said


def _card(card: Card) -> str:
    fields = [f"{name}：{value}" for name, value in card.fields]
    buttons = " ".join(f"[{button.text}]" for button in card.buttons)
    choices = [f"{one.title}：{' '.join(f'[{option.text}]' for option in one.options)}" for one in card.choices]
    lines = (card.title, card.state, card.text, *fields, *choices, card.footer, buttons, card.link)
    return "\n".join(line for line in lines if line)
