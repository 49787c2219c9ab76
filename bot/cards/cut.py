"""Cutting text without tearing it."""

from __future__ import annotations

from bot.cards.graphemes import boundary

ELLIPSIS = "…"


def shorten(text: str, limit: int) -> str:
    """Return the text in at most `limit` characters, with an ellipsis where something is gone."""
    return text if len(text) <= limit else text[: boundary(text, limit - 1)].rstrip() + ELLIPSIS
