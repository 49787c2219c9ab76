"""Argument types that complain in Chinese."""

from __future__ import annotations

import argparse
from datetime import date

BAD_DAY = "日期要写成 2026-11-21 这样，{text} 不是"


def day(text: str) -> date:
    """Return the ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(BAD_DAY.format(text=text)) from error
