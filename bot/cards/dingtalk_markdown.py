"""Text as DingTalk's messages and cards take it: in its Markdown, in pieces of its size, under a short title."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from bot.cards.blocks import read_blocks
from bot.cards.cut import cut_chars_and_bytes, shorten
from bot.cards.markdown import for_dingtalk, plain

# A message is split below these: long ones are refused or cut (msgParam holds 15,000 bytes of JSON).
MESSAGE_CHARS = 3_500
MESSAGE_BYTES = 14_000
TITLE_CHARS = 20

UNTITLED = "导购助手"
BREAK = "\n\n"
SOFT_END = "  "

LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
LIST_MARK = re.compile(r"^\s*(?:[-+*·]|\d+[.、])\s*")
OWN_LINE = re.compile(r"\s*(?:[*+-]\s|\d+[.、)]\s?|>|#{1,6}\s)")


def title_of(text: str) -> str:
    """Return the first words of a text, as the conversation list and the notification show them."""
    lines = (LIST_MARK.sub("", line) for line in plain(LINK.sub(r"\1", text)).splitlines())
    return cut_title(next((line for line in lines if any(map(str.isalnum, line))), ""))


def cut_title(title: str) -> str:
    """Return a title short enough for the list of conversations."""
    return shorten(" ".join(title.split()) or UNTITLED, TITLE_CHARS)


def split(text: str) -> list[str]:
    """Return the text in DingTalk's Markdown, in pieces that it takes."""
    return cut_chars_and_bytes(for_dingtalk(text), MESSAGE_CHARS, MESSAGE_BYTES)


def streamed(text: str) -> str:
    """Return the text for a streaming card, whose soft line break is `<br>` outside lists, quotes and code."""
    return "\n".join(
        block.text if block.kind == "code" else _with_tags(block.lines) for block in read_blocks(for_dingtalk(text))
    )


def _with_tags(lines: Sequence[str]) -> str:
    joined = [lines[0].rstrip()]
    for before, line in pairwise(lines):
        soft = before.endswith(SOFT_END) and not (OWN_LINE.match(before) or OWN_LINE.match(line))
        joined += ["<br>" if soft else "\n", line.rstrip()]
    return "".join(joined)
