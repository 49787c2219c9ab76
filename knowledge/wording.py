"""Numbers and days for the eye."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from knowledge.catalogue import Unit

NOTHING = "—"
WAN = Decimal(10_000)
YI = Decimal(100_000_000)
WEEKDAY = "一二三四五六日"


def number_text(value: Decimal | None, unit: Unit) -> str:
    """Return ¥3,516.20, ¥12.3万, 2,444, 18.2% or 1.86."""
    if value is None:
        return NOTHING
    if unit == "yuan":
        return yuan_text(value)
    if unit == "ratio":
        return f"{_rounded(value * 100, '0.1')}%"
    if unit == "number":
        return f"{_rounded(value, '0.01')}"
    return f"{int(value):,}" if abs(value) < 10 * WAN else _scaled(value)


def yuan_text(value: Decimal) -> str:
    """Return an amount with separators, in 万 from ten thousand on."""
    sign = "-" if value < 0 else ""
    amount = abs(value)
    return f"{sign}¥{_scaled(amount)}" if amount >= WAN else f"{sign}¥{_rounded(amount, '0.01'):,}"


def change_text(now: Decimal | None, before: Decimal | None, unit: Unit) -> str:
    """Return ↑5.2% or, for a share, ↓3.1个百分点; empty when there is nothing to compare."""
    if now is None or before is None:
        return ""
    if unit == "ratio":
        return _arrow(points(now, before), "个百分点")
    return _arrow(_rounded((now - before) / before * 100, "0.1"), "%") if before else ""


def points(now: Decimal, before: Decimal) -> Decimal:
    """Return a difference of shares in percentage points, of the shares as they are shown: readers subtract too."""
    return _rounded(now * 100, "0.1") - _rounded(before * 100, "0.1")


def day_text(day: str) -> str:
    """Return 11-14 周六 for an ISO day."""
    parsed = date.fromisoformat(day)
    return f"{parsed:%m-%d} 周{WEEKDAY[parsed.weekday()]}"


def _arrow(change: Decimal, suffix: str) -> str:
    if not change:
        return "持平"
    return f"{'↑' if change > 0 else '↓'}{abs(change)}{suffix}"


def _scaled(value: Decimal) -> str:
    if abs(value) >= YI:
        return f"{_rounded(value / YI, '0.01')}亿"
    return f"{_rounded(value / WAN, '0.1'):,}万"


def _rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), ROUND_HALF_UP)
