"""Markdown as each client draws it: what one does not know becomes what it does, or plain words.

                      headings  bold  italic  link  image  colour  code  lists  tables  rules
    WeCom app         as is     as is plain   as is link   as is   lines dots   lines   -       (doc 90236)
    WeCom v2          as is     as is as is   as is as is  plain   as is as is  as is   as is   (docs 99110, 101463)
    DingTalk          as is     as is as is   as is as is  plain   as is as is  lines   -
    plain             words     plain plain   （url） words  plain   lines dots   lines   -

Pure functions; none of them cuts a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.cards.blocks import Block, cells_of, read_blocks
from bot.cards.marks import BOLD, CODE, FONT, IMAGE, ITALIC, LINK, STRUCK, UNDERLINED, URL

ANCHOR = re.compile(r"<a\s+href=[\"'](https?://[^\"'\s]+)[\"'][^<>]*>([^<>\n]*)</a>", re.IGNORECASE)
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
TAG = re.compile(
    r"</?(?:a|b|i|u|s|p|em|del|sub|sup|div|span|strong|ul|ol|li|table|thead|tbody|tr|td|th|h[1-6]|hr|pre|code|img|"
    r"center|blockquote|details|summary)(?:\s+[\w-]+=(?:\"[^\"<>]*\"|'[^'<>]*'))*\s*/?>",
    re.IGNORECASE,
)
ANY_FONT = re.compile(r"<font\b[^<>]*>((?:(?!<font\b).)*?)</font>", re.DOTALL | re.IGNORECASE)
MENTION = re.compile(r"<@([^<>\s]+)>")
HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE)
# A quote, and not "> 100 元".
QUOTE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?)+(?![\s\d.¥￥])", re.MULTILINE)
BULLET = re.compile(r"^([ \t]*)[-*+] ", re.MULTILINE)
RULE = re.compile(r"^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$\n?", re.MULTILINE)
ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])")
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
HELD = re.compile("\x00(\\d+)\x00")
HELD_DEPTH = 2  # code in the name of an image
IMAGE_NAME = "图片"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a client draws; what is False is written in plain words."""

    headings: bool = False
    bold: bool = False
    italic: bool = False
    links: bool = False
    images: bool = False
    colors: bool = False
    quotes: bool = False
    code: bool = False
    code_blocks: bool = False
    bullets: bool = False
    rules: bool = False
    tables: bool = False
    spaced_breaks: bool = False  # a line break needs two spaces before it


PLAIN = Dialect()
WECOM_APP = Dialect(headings=True, bold=True, links=True, colors=True, quotes=True, code=True)
WECOM_V2 = Dialect(
    headings=True,
    bold=True,
    italic=True,
    links=True,
    images=True,
    quotes=True,
    code=True,
    code_blocks=True,
    bullets=True,
    rules=True,
    tables=True,
)
DINGTALK = Dialect(
    headings=True,
    bold=True,
    italic=True,
    links=True,
    images=True,
    quotes=True,
    code=True,
    code_blocks=True,
    bullets=True,
    spaced_breaks=True,
)


def for_wecom_app(text: str) -> str:
    """Return the text in the Markdown of WeCom's app messages, which has no lists, tables, images and code blocks."""
    return _reduced(text, WECOM_APP)


def for_wecom_v2(text: str) -> str:
    """Return the text in the Markdown of WeCom's robots, which has no colours and mentions nobody."""
    return _reduced(text, WECOM_V2)


def for_dingtalk(text: str) -> str:
    """Return the text in DingTalk's Markdown, with line breaks it draws and tables as lists."""
    return _reduced(text, DINGTALK)


def plain(text: str) -> str:
    """Return the text without Markdown, for places that draw none."""
    return _reduced(text, PLAIN)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, bullet: str, bold: bool) -> list[str]:
    """Return each row of a table as one line: its name, then every heading with its cell."""
    return [_row_line(columns, row, bullet, bold) for row in rows]


def _row_line(columns: Sequence[str], row: Sequence[str], bullet: str, bold: bool) -> str:
    name = f"**{row[0]}**" if bold and row[0] and len(row) > 1 else row[0]
    pairs = zip(columns[1:], row[1:], strict=False)
    cells = "，".join(f"{column} {cell}".strip() for column, cell in pairs if cell)
    return f"{bullet}{name}：{cells}" if cells else f"{bullet}{name}"


def _reduced(text: str, dialect: Dialect) -> str:
    parts = [_block(block, dialect) for block in read_blocks(text.replace("\x00", ""))]
    if not dialect.spaced_breaks:
        return "\n".join(parts)
    return "\n\n".join(part for part in parts if part.strip())


def _block(block: Block, dialect: Dialect) -> str:
    if block.kind == "code":
        return block.text if dialect.code_blocks else "\n".join(block.code)
    if block.kind == "prose" or dialect.tables:
        return _prose(block.text, dialect)
    heading, _, *rows = map(cells_of, block.lines)
    return _prose("\n".join(table_lines(heading, rows, bullet="- ", bold=dialect.bold)), dialect)


def _prose(text: str, dialect: Dialect) -> str:
    held: list[str] = []

    def hold(kept: str) -> str:
        """Put what must not be read as marks out of the way, until all marks are read."""
        held.append(kept)
        return f"\x00{len(held) - 1}\x00"

    text = CODE.sub(lambda code: hold(code[0] if dialect.code else code[1]), text)
    text = TAG.sub("", BREAK.sub("\n", ANCHOR.sub(r"[\2](\1)", text)))
    text = IMAGE.sub(lambda image: _image(image, dialect, hold), text)
    text = LINK.sub(lambda link: _link(link, dialect, hold), text)
    text = URL.sub(lambda url: hold(url[0]), text)
    text = _lines(_marks(text, dialect), dialect)
    for _ in range(HELD_DEPTH):
        text = HELD.sub(lambda number: held[int(number[1])], text)
    return text


def _image(image: re.Match[str], dialect: Dialect, hold: Callable[[str], str]) -> str:
    name, address = image[1].strip() or IMAGE_NAME, image[2]
    if dialect.images:
        return hold(image[0])
    return f"[{name}]({address})" if dialect.links else f"[{name}]"


def _link(link: re.Match[str], dialect: Dialect, hold: Callable[[str], str]) -> str:
    """A link whose words are its address is said once."""
    words, address = link[1], link[2]
    if dialect.links:
        return "[" + words + hold(f"]({address})")
    return hold(address) if words == address else words + hold(f"（{address}）")


def _marks(text: str, dialect: Dialect) -> str:
    """Take away the marks inside lines that the client does not draw."""
    dropped = (
        (BOLD, not dialect.bold),
        (STRUCK, True),
        (ITALIC, not dialect.italic),
        (UNDERLINED, not dialect.italic),
    )
    text = ANY_FONT.sub(lambda font: font[0] if dialect.colors and FONT.fullmatch(font[0]) else font[1], text)
    for pattern, drop in dropped:
        text = pattern.sub(r"\1", text) if drop else text
    text = MENTION.sub(r"@\1", text)
    return text if dialect.bold else ESCAPED.sub(r"\1", text)


def _lines(text: str, dialect: Dialect) -> str:
    """Take away the marks at line beginnings that the client does not draw, and break lines as it does."""
    text = text if dialect.rules else RULE.sub("", text)
    text = text if dialect.headings else HEADING.sub("", text)
    text = text if dialect.quotes else QUOTE.sub("", text)
    text = text if dialect.bullets else BULLET.sub(r"\1· ", text)
    if not dialect.spaced_breaks:
        return text
    paragraphs = BLANK_LINES.split(text.strip("\n"))
    return "\n\n".join("  \n".join(line.rstrip() for line in one.split("\n")) for one in paragraphs)
