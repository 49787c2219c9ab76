"""Argument types that complain in Chinese."""

from __future__ import annotations

import argparse
from datetime import date

BAD_DAY = "日期要写成 2026-11-21 这样，{text} 不是"
BAD_NUMBER = "要是一个数字，{text} 不是"
BAD_PORT = "端口要在 0 到 65535 之间，{text} 不是"


def day(text: str) -> date:
    """Return the ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(BAD_DAY.format(text=text)) from error


def whole_number(text: str) -> int:
    """Return the whole number."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(BAD_NUMBER.format(text=text)) from error


def port_number(text: str) -> int:
    """Return the number of a port; 0 lets the system choose one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(BAD_PORT.format(text=text))
    return int(text)
