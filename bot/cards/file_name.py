"""A file's name as a phone shows it: one line, not too long, its ending kept."""

from __future__ import annotations

import re

from bot.cards.cut import shorten

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/\\]")
MAX_CHARS = 80
MAX_ENDING = 12
UNNAMED = "文件"


def file_name(name: str) -> str:
    """Return the name without control characters and folders, at most 80 characters; never empty."""
    printable = " ".join(_UNPRINTABLE.sub(" ", name).split()) or UNNAMED
    if len(printable) <= MAX_CHARS:
        return printable
    stem, dot, ending = printable.rpartition(".")
    if not stem or len(ending) > MAX_ENDING:
        return shorten(printable, MAX_CHARS)
    return shorten(stem, MAX_CHARS - len(dot + ending)) + dot + ending
