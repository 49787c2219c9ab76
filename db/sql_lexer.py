"""The look at a statement's characters before any parser sees it.

A parser and a server may disagree about what is a comment. MySQL runs `/*! … */` and reads `--1` as minus-minus,
where a parser drops both as comments; what they hide would then reach the server unseen. This lexer tracks
quotes only and refuses every such spelling, so the guard behind it does not depend on one parser's version.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 8 * 1024

TOO_LONG = "语句超过 8 KB"
CONTROL = "语句里有控制字符"
UNTERMINATED = "引号没有成对"
OPEN_COMMENT = "注释没有结束"
EXECUTABLE_COMMENT = "不允许可执行注释或优化器提示"
BARE_DASHES = "「--」后面要有空格"
HASH = "不允许「#」"
BRACE = "不允许「{」「}」"
AT = "不允许用户变量或系统变量（@）"
BACKSLASH = "不允许反斜杠"

_QUOTES = "'\"`"
_BLANKS = " \t\r\n"
_REFUSED = {"{": BRACE, "}": BRACE, "@": AT, "#": HASH, "[": "不允许「[」"}


@dataclass(slots=True)
class _Cursor:
    sql: str
    at: int = 0

    def starts(self, *prefixes: str) -> bool:
        return self.sql.startswith(prefixes, self.at)


def lexical_fault(sql: str) -> str | None:
    """Return why the text may not even be parsed, or None."""
    if len(sql.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return TOO_LONG
    if any(_is_control(character) for character in sql):
        return CONTROL
    # MySQL escapes with a backslash unless its SQL mode says otherwise, SQLite never does: no backslash, no doubt.
    if "\\" in sql:
        return BACKSLASH
    return _scan(_Cursor(sql))


def colons_in_quotes_escaped(sql: str) -> str:
    """Return the statement for SQLAlchemy's `text()`, which would take `':x'` for a bound parameter."""
    parts: list[str] = []
    quote = ""
    for character in sql:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        parts.append("\\:" if quote and character == ":" else character)
    return "".join(parts)


def _is_control(character: str) -> bool:
    return (ord(character) < 32 and character not in "\t\r\n") or 0x7F <= ord(character) <= 0x9F


def _scan(cursor: _Cursor) -> str | None:
    while cursor.at < len(cursor.sql):
        fault = _step(cursor)
        if fault:
            return fault
    return None


def _step(cursor: _Cursor) -> str | None:
    """Move past one quoted text, comment or character."""
    character = cursor.sql[cursor.at]
    if character in _QUOTES:
        return _skip_quoted(cursor, character)
    if cursor.starts("/*"):
        return _skip_comment(cursor)
    if cursor.starts("--"):
        return _skip_line(cursor)
    cursor.at += 1
    return _REFUSED.get(character)


def _skip_quoted(cursor: _Cursor, quote: str) -> str | None:
    """Move past the closing quote; a doubled quote opens the next text at once, which amounts to the same."""
    end = cursor.sql.find(quote, cursor.at + 1)
    cursor.at = end + 1
    return UNTERMINATED if end < 0 else None


def _skip_comment(cursor: _Cursor) -> str | None:
    if cursor.starts("/*!", "/*M!", "/*m!", "/*+"):
        return EXECUTABLE_COMMENT
    end = cursor.sql.find("*/", cursor.at + 2)
    cursor.at = end + 2
    return OPEN_COMMENT if end < 0 else None


def _skip_line(cursor: _Cursor) -> str | None:
    after = cursor.sql[cursor.at + 2 : cursor.at + 3]
    if after and after not in _BLANKS:
        return BARE_DASHES
    end = cursor.sql.find("\n", cursor.at)
    cursor.at = len(cursor.sql) if end < 0 else end
    return None
