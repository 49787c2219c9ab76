"""JSON as we print it: readable Chinese, amounts as numbers, dates as ISO text."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any


def to_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON text."""
    return json.dumps(value, ensure_ascii=False, default=_plain, indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
