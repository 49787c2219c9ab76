"""`daogou ask`: one question, or a file of them, answered without a server."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.assistant import Question, UnknownPerson
from bot.cli.arguments import day, whole_number
from bot.config import Settings
from bot.json_text import to_json
from bot.runtime import NoTenant, open_runtime

EPILOG = """\
例子：
  daogou ask "最近7天各门店GMV、客单价、订单数，按天趋势"
  daogou ask "这周复购率为什么下降了" --json
  daogou ask "最近7天GMV" --staff 3 --as-of 2026-11-21
  daogou ask --file questions.jsonl --json

文件每行一个 JSON：{"query": "问题"}，可以带 "prev"（上一句，用于追问）、"staff"、"as_of"。
"""
NOTHING = "请给出一个问题，或用 --file 指定问题文件。"
BOTH = "问题和 --file 只能给一个。"
NO_FILE = "找不到文件：{path}"
BAD_LINE = "第 {number} 行读不懂：{why}"
NOT_TEXT = "{path} 不是 UTF-8 文本"
NOT_JSON = "不是 JSON"
NEED_QUERY = "缺少 query"
BAD_STAFF = "staff 要是员工编号（数字）"
BAD_PREV = "prev 要是文字"


class BadQuestions(Exception):
    """The file of questions cannot be used; the message names the line."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ask", help="问一句", description="问一句，不需要启动服务。", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("question", nargs="?", metavar="问题", help="一句中文")
    parser.add_argument("--file", type=Path, metavar="FILE", help="问题文件，每行一个 JSON")
    parser.add_argument("--json", action="store_true", help="输出 JSON，一问一行")
    parser.add_argument("--as-of", type=day, metavar="DATE", help="把这一天当作今天，如 2026-11-21")
    parser.add_argument("--staff", type=whole_number, metavar="ID", help="以哪位员工的身份问（默认总部）")
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Answer and print; 2 when the words or the file are wrong."""
    try:
        questions = list(_questions(args))
        async with open_runtime(settings) as runtime:
            assistant = runtime.tenant(args.tenant).assistant
            for question in questions:
                answer = await assistant.ask(question)
                print(to_json(answer) if args.json else answer["answer"], flush=True)
    except (BadQuestions, UnknownPerson, NoTenant) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _questions(args: argparse.Namespace) -> Iterator[Question]:
    if args.file and args.question:
        raise BadQuestions(BOTH)
    if args.question:
        yield Question(args.question, args.staff, None, args.as_of)
        return
    if not args.file:
        raise BadQuestions(NOTHING)
    try:
        lines = args.file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadQuestions(NO_FILE.format(path=args.file)) from error
    except UnicodeDecodeError as error:
        raise BadQuestions(NOT_TEXT.format(path=args.file)) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _line(line, number, args)


def _line(line: str, number: int, args: argparse.Namespace) -> Question:
    try:
        return _question(_parsed(line), args)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise BadQuestions(BAD_LINE.format(number=number, why=error)) from error


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(NOT_JSON) from error


def _question(raw: Any, args: argparse.Namespace) -> Question:
    """Return the question of one line: a text alone, or an object; a `ValueError` says what is wrong."""
    fields = {"query": raw} if isinstance(raw, str) else raw if isinstance(raw, dict) else {}
    query = fields.get("query") or fields.get("question")
    staff, prev, as_of = fields.get("staff", args.staff), fields.get("prev"), fields.get("as_of")
    if not isinstance(query, str):
        raise ValueError(NEED_QUERY)
    if staff is not None and type(staff) is not int:
        raise ValueError(BAD_STAFF)
    if not isinstance(prev, str | None):
        raise ValueError(BAD_PREV)
    return Question(query, staff, prev, day(str(as_of)) if as_of else args.as_of)
