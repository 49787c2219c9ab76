"""Text as WeCom takes it: cleaned, without what its Markdown does not know, cut by bytes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Bytes of UTF-8; WeCom cuts a longer text without a word (doc 90236).
MAX_TEXT_BYTES = 2048
ELLIPSIS = "…"

_BOLD = re.compile(r"\*\*(.+?)\*\*")
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((https?://[^\s()]+)\)")
_FONT = re.compile(r"<font color=\"(?:info|comment|warning)\">(.*?)</font>", re.DOTALL)
_BULLET = re.compile(r"^([ \t]*)[-*+] ", re.MULTILINE)
# Control characters, which XML and phones refuse, and halves of surrogate pairs, which UTF-8 does.
_UNSENDABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CUT_AFTER = "。！？；，、 "


def clean(text: str) -> str:
    """Return the text without surrounding space and without characters that cannot be sent."""
    return _UNSENDABLE.sub("", text.replace("\r\n", "\n")).strip()


def one_line(text: str) -> str:
    """Return the cleaned text with every run of white space as one space."""
    return " ".join(clean(text).split())


def plain(text: str) -> str:
    """Return the cleaned text without Markdown, for places that draw none."""
    unlinked = _LINK.sub(r"\1（\2）", clean(text))
    return without_bullets(_BOLD.sub(r"\1", _FONT.sub(r"\1", unlinked)))


def without_bullets(text: str) -> str:
    """Return the text with Markdown's list marks as dots: WeCom would show the dash or star itself."""
    return _BULLET.sub(r"\1· ", text)


def has_markdown(text: str) -> bool:
    """Whether the text uses what WeCom's Markdown draws and plain text does not."""
    return any(mark.search(text) for mark in (_BOLD, _LINK, _FONT))


def shorten(text: str, limit: int) -> str:
    """Return the text in at most `limit` characters, with an ellipsis where something is gone."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def byte_size(text: str) -> int:
    """Return the bytes of UTF-8."""
    return len(text.encode())


def split_text(text: str, limit: int = MAX_TEXT_BYTES) -> list[str]:
    """Return the text in pieces of at most `limit` bytes of UTF-8, cut at line ends where there are any."""
    pieces: list[str] = []
    held: list[str] = []
    size = 0
    for line in _lines(text, limit):
        cost = byte_size(line) + (1 if held else 0)
        if held and size + cost > limit:
            pieces.append("\n".join(held))
            held, size, cost = [], 0, byte_size(line)
        held.append(line)
        size += cost
    pieces.append("\n".join(held))
    return [piece for piece in (one.strip("\n") for one in pieces) if piece.strip()]


def _lines(text: str, limit: int) -> Iterator[str]:
    """Yield the lines of the text, the too long ones in pieces."""
    for line in text.split("\n"):
        rest = line
        while byte_size(rest) > limit:
            cut = _cut(rest, limit)
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def _cut(line: str, limit: int) -> int:
    """Return how many characters to take: up to punctuation if there is some in the second half.

    Never inside a character, nor between a letter and what combines with it (accents, emoji joiners).
    """
    most = len(line.encode()[:limit].decode(errors="ignore"))
    for at in range(most, most // 2, -1):
        if line[at - 1] in _CUT_AFTER:
            return at
    at = most
    while at > 1 and (_joins(line[at]) or line[at - 1] == "\u200d"):
        at -= 1
    return at


def _joins(char: str) -> bool:
    return bool(unicodedata.combining(char)) or char in "\u200d\ufe0f" or "\U0001f3fb" <= char <= "\U0001f3ff"
