"""`daogou ask` and what it says to words and files it cannot use, before anything is opened."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from bot.cli import ask, push, serve
from bot.config import Settings


async def run(*words: str) -> int:
    parser = ArgumentParser()
    ask.register(parser.add_subparsers())
    args = parser.parse_args(["ask", *words])
    code: int = await args.run(args, Settings())
    return code


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "第 2 行读不懂：不是 JSON"),
        ("[1]", "第 2 行读不懂：缺少 query"),
        ('{"query": 5}', "第 2 行读不懂：缺少 query"),
        ('{"query": "GMV", "staff": "x"}', "第 2 行读不懂：staff 要是员工编号"),
        ('{"query": "GMV", "staff": true}', "第 2 行读不懂：staff 要是员工编号"),
        ('{"query": "GMV", "prev": 5}', "第 2 行读不懂：prev 要是文字"),
        ('{"query": "GMV", "as_of": "2026-99-01"}', "第 2 行读不懂：日期要写成"),
    ],
)
async def test_a_bad_line_is_named_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, complaint: str
) -> None:
    (tmp_path / "q.jsonl").write_text(f'{{"query": "GMV"}}\n{line}\n', encoding="utf-8")
    assert await run("--file", str(tmp_path / "q.jsonl")) == 2
    assert capsys.readouterr().err.startswith(complaint)


async def test_a_file_that_is_no_text_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "q.jsonl").write_bytes(b"\xff\xfe\x00")
    assert await run("--file", str(tmp_path / "q.jsonl")) == 2
    assert "不是 UTF-8 文本" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("ask", "GMV", "--staff", "abc"), "要是一个数字，abc 不是"),
        (("push", "morning", "--store", "abc"), "要是一个数字，abc 不是"),
        (("serve", "--port", "99999"), "端口要在 0 到 65535 之间"),
        (("serve", "--port", "-1"), "端口要在 0 到 65535 之间"),
    ],
)
def test_a_number_that_is_none_is_said_in_words(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str
) -> None:
    parser = ArgumentParser()
    commands = parser.add_subparsers()
    for command in (ask, push, serve):
        command.register(commands)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert complaint in capsys.readouterr().err
