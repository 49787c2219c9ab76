"""Markdown in blocks: fenced code, tables, and everything else; joined by line breaks they are the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^`\n]*")
DELIMITER_CELL = re.compile(r":?-+:?")
CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together; `start` is where the first of them begins in the text."""

    kind: Literal["prose", "code", "table"]
    start: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The block as it is written."""
        return "\n".join(self.lines)

    @property
    def end(self) -> int:
        """Where its last line ends, without the line break."""
        return self.start + len(self.text)

    @property
    def code(self) -> tuple[str, ...]:
        """The lines of a code block without its fences."""
        return self.lines[1:-1] if self.closed else self.lines[1:]

    @property
    def closed(self) -> bool:
        """Whether a code block has its second fence."""
        return self.kind == "code" and len(self.lines) > 1 and _closes(self.lines[-1], self.fence)

    @property
    def fence(self) -> str:
        """The mark that opens a code block and closes it; "" for other blocks."""
        opening = FENCE.fullmatch(self.lines[0])
        return opening[1] if opening else ""


def read_blocks(text: str) -> list[Block]:
    """Return the blocks of a text in order."""
    blocks: list[Block] = []
    start = 0
    for kind, lines in _merged(text.split("\n")):
        blocks.append(Block(kind, start, tuple(lines)))
        start = blocks[-1].end + 1
    return blocks


def cells_of(line: str) -> tuple[str, ...]:
    """Return the cells of a table's line."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(cell.strip().replace("\\|", "|") for cell in CELL_END.split(inner))


def _merged(lines: Sequence[str]) -> Iterator[tuple[Literal["prose", "code", "table"], list[str]]]:
    prose: list[str] = []
    at = 0
    while at < len(lines):
        code, table = _code_lines(lines, at), _table_lines(lines, at)
        if not code and not table:
            prose.append(lines[at])
            at += 1
            continue
        if prose:
            yield "prose", prose
            prose = []
        yield ("code" if code else "table"), list(lines[at : at + (code or table)])
        at += code or table
    if prose:
        yield "prose", prose


def _code_lines(lines: Sequence[str], at: int) -> int:
    """Return how many lines the code block has that begins here, 0 for none; one left open goes on to the end."""
    opening = FENCE.fullmatch(lines[at])
    if opening is None:
        return 0
    for number in range(at + 1, len(lines)):
        if _closes(lines[number], opening[1]):
            return number + 1 - at
    return len(lines) - at


def _closes(line: str, fence: str) -> bool:
    return line.strip().startswith(fence) and not line.strip().strip(fence[0])


def _table_lines(lines: Sequence[str], at: int) -> int:
    """Return how many lines the table has that begins here, 0 for none."""
    if at + 1 >= len(lines) or "|" not in lines[at] or "|" not in lines[at + 1]:
        return 0
    delimiter = cells_of(lines[at + 1])
    if len(cells_of(lines[at])) != len(delimiter) or not all(map(DELIMITER_CELL.fullmatch, delimiter)):
        return 0
    count = 2
    while at + count < len(lines) and "|" in lines[at + count]:
        count += 1
    return count
