"""Text as the Markdown DingTalk draws, in pieces it takes.

Drawn are headings, quotes, bold, italic, links, pictures and lists. A line break needs a blank line or two spaces
before it. There is no HTML, and phones show a table as its source text, so a table becomes a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from bot.cards.dingtalk_words import row_line

# A message is split below these: long ones are refused or cut (msgParam holds 15,000 bytes of JSON).
MESSAGE_CHARS = 3_500
MESSAGE_BYTES = 14_000
# Of characters that JSON writes in up to six bytes, this many always fit.
SAFE_CHARS = 2_000
TITLE_CHARS = 20

UNTITLED = "导购助手"
BREAK = "\n\n"
SOFT_BREAK = "  \n"

MARKS = re.compile(r"[#>*_`~]+|^\s*(?:[-+]|\d+[.、])\s+|!?\[|\]\([^)]*\)")
LINE_TAG = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6])>", re.IGNORECASE)
# With attributes only where they look like some: "a<b and c>d" is a sentence.
OTHER_TAG = re.compile(
    r"</?(?:font|span|b|i|u|s|em|strong|del|sub|sup|p|div|a|ul|ol|li|h[1-6]|table|thead|tbody|tr|td|th|hr|img|center)"
    r"(?:\s+[\w-]+\s*=[^<>]*)?\s*/?>",
    re.IGNORECASE,
)
STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
RULE = re.compile(r"\s*([-*_])(?:\s*\1){2,}\s*")
BULLET = re.compile(r"^(\s*)[*+-]\s+(?:\[[ xX]\]\s+)?(?=\S)")
OWN_LINE = re.compile(r"\s*(?:[*+-]\s|\d+[.、)]\s?|>|#{1,6}\s)")
TABLE_ROW = re.compile(r"\s*\|.*\|\s*")
TABLE_RULE = re.compile(r"\s*\|(?:\s*:?-+:?\s*\|)+\s*")
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
CELL_BORDER = re.compile(r"(?<!\\)\|")


def title_of(text: str) -> str:
    """Return the first words of a text, as the conversation list and the notification show them."""
    lines = (MARKS.sub("", line).strip() for line in chain.from_iterable(map(_without_tags, text.splitlines())))
    return cut_title(next((line for line in lines if any(map(str.isalnum, line))), ""))


def cut_title(title: str) -> str:
    """Return a title short enough for the list of conversations."""
    title = " ".join(title.split()) or UNTITLED
    return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1] + "…"


def drawn(text: str) -> str:
    """Return the whole text in DingTalk's dialect, with line breaks it draws."""
    return BREAK.join(blocks(text))


def split(text: str) -> list[str]:
    """Return the text in DingTalk's dialect, in pieces that it takes, cut between blocks where possible."""
    pieces: list[str] = []
    for block in chain.from_iterable(map(_pieces_of_block, blocks(text))):
        if pieces and _fits(joined := f"{pieces[-1]}{BREAK}{block}"):
            pieces[-1] = joined
        else:
            pieces.append(block)
    return pieces


def streamed(text: str) -> str:
    """Return the text for a streaming card, whose soft line break is `<br>` outside lists, quotes and code."""
    return BREAK.join(block if is_code(block) else _with_tags(block.split(SOFT_BREAK)) for block in blocks(text))


def blocks(text: str) -> Iterator[str]:
    """Yield paragraphs, lists and code blocks; inside a block every line break is one DingTalk draws."""
    lines: list[str] = []
    fenced = False
    for line in CONTROLS.sub("", text).splitlines():
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


def is_code(block: str) -> bool:
    """Whether this is a code block, or the line that opens or closes one."""
    return block.lstrip().startswith("```")


def _block(lines: Sequence[str]) -> Iterator[str]:
    if lines and is_code(lines[0]):
        yield "\n".join(line.rstrip() for line in lines)
    elif words := [line.rstrip() for line in _reduced(lines) if line.strip()]:
        yield SOFT_BREAK.join(words)


def _reduced(lines: Sequence[str]) -> Iterator[str]:
    """Yield a block's lines without what DingTalk does not draw."""
    plain = list(chain.from_iterable(map(_without_tags, lines)))
    at = 0
    while at < len(plain):
        if TABLE_ROW.fullmatch(plain[at]) and at + 1 < len(plain) and TABLE_RULE.fullmatch(plain[at + 1]):
            end = next((n for n in range(at + 2, len(plain)) if not TABLE_ROW.fullmatch(plain[n])), len(plain))
            heads, *rows = [_cells(plain[n]) for n in (at, *range(at + 2, end))]
            yield from (row_line(heads, row) for row in rows) if rows else ("，".join(heads),)
            at = end
        else:
            if not RULE.fullmatch(plain[at]):
                yield BULLET.sub(r"\1- ", plain[at])
            at += 1


def _with_tags(lines: Sequence[str]) -> str:
    joined = lines[0]
    for before, line in pairwise(lines):
        joined += f"\n{line}" if OWN_LINE.match(before) or OWN_LINE.match(line) else f"<br>{line}"
    return joined


def _without_tags(line: str) -> list[str]:
    return STRUCK.sub(r"\1", OTHER_TAG.sub("", LINE_TAG.sub("\n", line))).split("\n")


def _cells(row: str) -> tuple[str, ...]:
    cells = CELL_BORDER.split(row.strip().removeprefix("|").removesuffix("|"))
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)


def _pieces_of_block(block: str) -> Iterator[str]:
    """Yield the block, or, when it is too long, groups of its lines; code is fenced again in each."""
    if _fits(block):
        yield block
        return
    opening, lines, closing = _fenced(block) if is_code(block) else ("", block.splitlines(), "")
    group = ""
    for line in chain.from_iterable(map(_pieces_of_line, lines)):
        joined = f"{group}\n{line}" if group else line
        if group and not _fits(f"{opening}{joined}{closing}"):
            yield f"{opening}{group}{closing}"
            joined = line
        group = joined
    yield f"{opening}{group}{closing}"


def _fenced(block: str) -> tuple[str, list[str], str]:
    """Return the opening of a code block, its lines, and its end; words beside a fence are lines too."""
    first, *lines, last = block.splitlines()
    opening = first if len(first) <= TITLE_CHARS else "```"
    before, after = first.removeprefix(opening), last.strip().removeprefix("```")
    return f"{opening}\n", [*filter(None, [before]), *lines, *filter(None, [after])], "\n```"


def _pieces_of_line(line: str) -> Iterator[str]:
    while not _fits(line, spare=100):
        size = MESSAGE_CHARS - 100 if _fits(line[: MESSAGE_CHARS - 100], spare=100) else SAFE_CHARS
        yield line[:size]
        line = line[size:]
    yield line


def _fits(text: str, spare: int = 0) -> bool:
    size = len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
    return len(text) <= MESSAGE_CHARS - spare and size <= MESSAGE_BYTES - spare
