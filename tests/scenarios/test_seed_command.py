"""`daogou seed` as typed: what it prints, and what it says to words it cannot use."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from bot.cli import seed as seed_command
from bot.config import DatabaseSettings, Settings


async def _run(url: str, *words: str) -> int:
    parser = ArgumentParser()
    seed_command.register(parser.add_subparsers())
    args: Namespace = parser.parse_args(["seed", *words])
    code: int = await args.run(args, Settings(database=DatabaseSettings(url=url)))
    return code


def _files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_the_command_makes_schema_and_chain_and_prints_the_figures(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _run(database_url, "--as-of", "2026-11-21", "--orders", "300") == 0
    printed = capsys.readouterr().out
    for words in ("订单 300 / 300", "截至 2026-11-21：订单 300 笔", "复购率：", "3 广州天河店", "用时"):
        assert words in printed


async def test_the_command_run_twice_says_that_the_chain_is_there(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await _run(database_url, "--orders", "100")
    assert await _run(database_url, "--orders", "100") == 1
    assert "已经存在" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--as-of", "2026-13-01"), "日期要写成"),
        (("--as-of", "明天"), "日期要写成"),
        (("--orders", "一万"), "订单数要是一个整数"),
    ],
)
async def test_words_that_cannot_be_read_are_named(
    words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        await _run("sqlite+aiosqlite://", *words)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(("--as-of", "1900-01-01"), "日期要在"), (("--orders", "0"), "订单数要在"), (("--orders", "-5"), "订单数要在")],
)
async def test_words_out_of_range_touch_no_database(
    words: tuple[str, ...], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _run(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}", *words) == 2
    assert complaint in capsys.readouterr().err
    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    "url", ["mysql+aiomysql://root@127.0.0.1:1/none", "nonsense", "sqlite+aiosqlite:////proc/no/x.db"]
)
async def test_a_database_out_of_reach_is_explained(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await _run(url, "--orders", "100") == 1
    assert "数据库用不了" in capsys.readouterr().err
