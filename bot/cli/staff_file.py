"""A CSV of staff, as an administrator exports it from a spreadsheet, to the lines that are imported."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from db.staff_import import StaffLine
from handlers.help import ROLE_NAMES

COLUMNS = ("姓名", "角色", "门店", "手机", "企业微信", "钉钉")
PLATFORM_COLUMNS = {"企业微信": "wecom", "钉钉": "dingtalk"}
ROLES = {name: role for role, name in ROLE_NAMES.items()} | {role: role for role in ROLE_NAMES}
MOBILE = re.compile(r"(?:\+?86)?1[3-9]\d{9}")
SEPARATORS = re.compile(r"[;；、/]")
NAME_CHARS, USER_CHARS = 32, 64

NO_FILE = "找不到文件：{path}"
NOT_TEXT = "{path} 不是 UTF-8 或 GBK 的文本文件。请在表格里另存为 CSV（UTF-8）。"
NO_COLUMN = "第一行要是列名，至少有 姓名、角色；现在没有「{name}」。可以用的列：" + "、".join(COLUMNS)
NO_NAME = "第 {number} 行没有姓名"
TOO_LONG = "第 {number} 行的{column}太长"
BAD_ROLE = "第 {number} 行的角色「{role}」不认识，可以写：" + "、".join(ROLE_NAMES.values())
BAD_MOBILE = "第 {number} 行的手机号不对（要 11 位）"


class BadStaffFile(Exception):
    """The file cannot be used; the message names the line."""


def read_staff(path: Path, digest: Callable[[str], str]) -> Iterator[tuple[int, StaffLine, str]]:
    """Yield each line's number, what it says, and its mobile number; `digest` is how a number is kept."""
    rows = csv.DictReader(io.StringIO(_text(path)))
    for needed in COLUMNS[:2]:
        if needed not in [name.strip() for name in rows.fieldnames or ()]:
            raise BadStaffFile(NO_COLUMN.format(name=needed))
    for number, row in enumerate(rows, 2):
        cells = {str(name).strip(): str(value or "").strip() for name, value in row.items()}
        if any(cells.values()):
            line = _line(number, cells, digest)
            yield number, line, cells.get("手机", "")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadStaffFile(NO_FILE.format(path=path)) from error
    for encoding in ("utf-8-sig", "gbk"):  # what spreadsheets write
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadStaffFile(NOT_TEXT.format(path=path))


def _line(number: int, cells: dict[str, str], digest: Callable[[str], str]) -> StaffLine:
    if not cells["姓名"]:
        raise BadStaffFile(NO_NAME.format(number=number))
    if cells["角色"] not in ROLES:
        raise BadStaffFile(BAD_ROLE.format(number=number, role=cells["角色"]))
    mobile = re.sub(r"[\s-]", "", cells.get("手机", ""))
    if mobile and not MOBILE.fullmatch(mobile):
        raise BadStaffFile(BAD_MOBILE.format(number=number))
    for column, limit in (("姓名", NAME_CHARS), ("企业微信", USER_CHARS), ("钉钉", USER_CHARS)):
        if len(cells.get(column, "")) > limit:
            raise BadStaffFile(TOO_LONG.format(number=number, column=column))
    return StaffLine(
        name=cells["姓名"],
        role=ROLES[cells["角色"]],
        stores=tuple(name for part in SEPARATORS.split(cells.get("门店", "")) if (name := part.strip())),
        mobile_digest=digest(mobile) if mobile else None,
        accounts={platform: cells[column] for column, platform in PLATFORM_COLUMNS.items() if cells.get(column)},
    )
