"""The marks of Markdown inside a line, and which stretches of a text must not be cut without closing them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.cards.blocks import Block, read_blocks

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
IMAGE = re.compile(r"!\[([^\[\]\n]*)\]\((https?://[^\s()]+)\)")
LINK = re.compile(r"(?<!!)\[([^\[\]\n]+)\]\((https?://[^\s()]+)\)")
URL = re.compile(r"https?://[\w\-./?%&=#:~+@!$,;*]+", re.ASCII)
BOLD = re.compile(r"\*\*(.+?)\*\*")
# Only where a reader sees a mark too: 3*4*5 and snake_case_names hold none.
ITALIC = re.compile(r"(?<![A-Za-z0-9*\\])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![A-Za-z0-9*])")
UNDERLINED = re.compile(r"(?<![A-Za-z0-9_\\])_(?=[^\s_])([^_\n]+?)(?<=[^\s_])_(?![A-Za-z0-9_])")
STRUCK = re.compile(r"~~(?=\S)([^~\n]+?)(?<=\S)~~")
# The colours that WeCom's Markdown knows (doc 90236).
FONT = re.compile(r"<font color=\"(?:info|comment|warning)\">((?:(?!<font\b).)*?)</font>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch between marks; cut inside, it is closed before the cut and opened again after it.

    `first` and `last` are where what stands between the marks begins and ends. A `whole` one is not cut at all, one
    `by_lines` only at line ends.
    """

    start: int
    first: int
    last: int
    end: int
    opening: str = ""
    closing: str = ""
    whole: bool = False
    by_lines: bool = False

    def forbids(self, at: int) -> bool:
        """Whether a cut here tears a mark, or what must stay whole."""
        if not self.start < at < self.end:
            return False
        return self.whole or not self.first < at < self.last

    def holds(self, at: int) -> bool:
        """Whether a cut here must be closed and opened again."""
        return self.first < at < self.last and not self.whole


def spans_of(text: str) -> list[Span]:
    """Return the stretches of a text, those outside before those inside."""
    spans = [span for block in read_blocks(text) for span in _of_block(block)]
    return sorted(spans, key=lambda span: (span.start, -span.end))


def _of_block(block: Block) -> Iterator[Span]:
    if block.kind == "code":
        opening = block.lines[0] + "\n"
        last = block.end - (len(block.lines[-1]) + 1 if block.closed else 0)
        yield Span(block.start, block.start + len(opening), last, block.end, opening, "\n" + block.fence)
        return
    if block.kind == "table":
        heading = "\n".join(block.lines[:2]) + "\n"
        yield Span(block.start, block.start + len(heading), block.end + 1, block.end + 1, heading, by_lines=True)
    yield from _inside(block)


def _inside(block: Block) -> Iterator[Span]:
    text, start = block.text, block.start
    for pattern in (LINK, IMAGE, URL):
        for match in pattern.finditer(text):
            yield Span(
                start + match.start(), start + match.start(), start + match.end(), start + match.end(), whole=True
            )
    for pattern in (FONT, BOLD, CODE):
        for match in pattern.finditer(text):
            inner = match[1]
            if inner.strip():
                first = match.start(1) + len(inner) - len(inner.lstrip())
                last = match.end(1) - len(inner) + len(inner.rstrip())
                marks = text[match.start() : first], text[last : match.end()]
                yield Span(start + match.start(), start + first, start + last, start + match.end(), *marks)
