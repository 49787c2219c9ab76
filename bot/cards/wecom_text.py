"""Text as WeCom takes it: cleaned, without what its Markdown does not know, cut by bytes."""

from __future__ import annotations

import re

from bot.cards import markdown
from bot.cards.cut import cut_bytes, shorten
from bot.cards.cut import utf8_bytes as byte_size
from bot.cards.markdown import HEADING, QUOTE
from bot.cards.marks import BOLD, CODE, FONT, LINK

__all__ = [
    "MAX_TEXT_BYTES",
    "byte_size",
    "clean",
    "has_markdown",
    "one_line",
    "plain",
    "shorten",
    "split_text",
]

# Bytes of UTF-8; WeCom cuts a longer text without a word (doc 90236).
MAX_TEXT_BYTES = 2048
# Control characters, which XML and phones refuse, and halves of surrogate pairs, which UTF-8 does.
_UNSENDABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Return the text without surrounding space and without characters that cannot be sent."""
    return _UNSENDABLE.sub("", text.replace("\r\n", "\n")).strip()


def one_line(text: str) -> str:
    """Return the cleaned text with every run of white space as one space."""
    return " ".join(clean(text).split())


def plain(text: str) -> str:
    """Return the cleaned text without Markdown, for places that draw none."""
    return markdown.plain(clean(text))


def has_markdown(text: str) -> bool:
    """Whether the text uses what WeCom's Markdown draws and plain text does not."""
    return any(mark.search(text) for mark in (BOLD, LINK, FONT, CODE, HEADING, QUOTE))


def split_text(text: str, limit: int = MAX_TEXT_BYTES) -> list[str]:
    """Return the text in pieces of at most `limit` bytes of UTF-8, cut at line ends where there are any."""
    return cut_bytes(text, limit)
