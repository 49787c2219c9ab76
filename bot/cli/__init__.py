"""The command line: one file per command; a new command is a new file and one line in `COMMANDS`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from bot.cli import ask, bench, doctor, kb, notice, outbox, push, seed, serve, staff, wecom
from bot.config import ConfigError, load_settings
from bot.logs import set_up_logging

COMMANDS: Sequence[ModuleType] = (serve, seed, kb, ask, push, notice, outbox, staff, wecom, doctor, bench)

DESCRIPTION = "导购（Daogou）：企业微信和钉钉里的门店助手。"
EPILOG = """\
第一次使用：
  daogou serve --demo                  起一个演示（不需要账号和密钥），按提示打开网页
  daogou ask "最近7天各门店GMV"          在命令行里问一句
  daogou <命令> --help                  每个命令都有说明和例子
"""
INTERRUPTED = 130
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(
        prog="daogou", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="配置文件（默认 config.toml，没有也能用）")
    parser.add_argument("--log-level", choices=LEVELS, help="日志级别（默认 WARNING）")
    parser.set_defaults(usual_log_level="WARNING")
    commands = parser.add_subparsers(dest="command", required=True, metavar="命令")
    for module in COMMANDS:
        module.register(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong words or configuration."""
    args = build_parser().parse_args(argv)
    set_up_logging(args.log_level or args.usual_log_level)
    try:
        settings = load_settings(args.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return int(asyncio.run(args.run(args, settings)))
    except KeyboardInterrupt:
        return INTERRUPTED
