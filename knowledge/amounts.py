"""Chinese and Arabic numbers in a sentence: 3万, 三万五, 2.5万元, 10w, 5千, 负三万, 八五折."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
SMALL_UNITS = {"十": 10, "百": 100, "千": 1000, "k": 1000}
LARGE_UNITS = {"万": 10_000, "w": 10_000, "亿": 100_000_000}
ASCII_DIGITS = "0123456789"
SIGNS = "-−负"

_ARABIC = r"\d++(?:\.\d++)?"
_CHINESE = "[零〇一二两俩三四五六七八九十百千万亿]"
# A number as people write it, taken whole or not at all; w and k are units only right behind a digit.
NUMBER = rf"[-−负]?(?>(?:{_ARABIC}|{_CHINESE})(?:(?<=\d)[wkWK](?![A-Za-z])|{_ARABIC}|{_CHINESE})*)"

_SEPARATORS = str.maketrans(dict.fromkeys("，、；。！？,!?", ";"))
_THOUSANDS = re.compile(r"(?<![\d.])(\d{1,3})((?:,\d{3})+)(?![\d,])")
_BLANK_BETWEEN_NUMBERS = re.compile(rf"(?<=[\dwkWK]|{_CHINESE})\s+(?=[-−负\d零一二两三四五六七八九十])")
_SYMBOL = re.compile(r"\d+(?:\.\d+)?|.")


def normalised(text: str) -> str:
    """Return the text in half width, without blanks and thousands marks, its clauses divided by `;`.

    Punctuation becomes a divider before the width is folded: folding turns 「30000，7天」 into one number.
    """
    plain = _THOUSANDS.sub(lambda found: found[1] + found[2].replace(",", ""), text)
    divided = unicodedata.normalize("NFKC", plain.translate(_SEPARATORS))
    return re.sub(r"\s+", "", _BLANK_BETWEEN_NUMBERS.sub(";", divided))


def read_number(text: str) -> Decimal | None:
    """Return the value of a number such as 三万五 (35000), 一百二 (120) or 2.5万; None when it is not one."""
    bare = normalised(text).lower()
    negative = bare[:1] in SIGNS and bare != ""
    symbols = _SYMBOL.findall(bare[1:] if negative else bare)
    if not symbols or not all(_is_known(symbol) for symbol in symbols):
        return None
    value = _sum_up(symbols)
    return -value if negative else value


def _is_known(symbol: str) -> bool:
    return symbol[0] in ASCII_DIGITS or symbol in DIGITS | SMALL_UNITS | LARGE_UNITS


def _sum_up(symbols: list[str]) -> Decimal:
    """Add up units from left to right: `total` holds what stands before 万 and 亿, `section` what stands after."""
    total = section = Decimal(0)
    current: Decimal | None = None
    unit = 1
    for symbol in symbols:
        if symbol in SMALL_UNITS:
            unit = SMALL_UNITS[symbol]
            section, current = section + (Decimal(1) if current is None else current) * unit, None
        elif symbol in LARGE_UNITS:
            unit = LARGE_UNITS[symbol]
            total, section, current = _scaled(total, section + (current or 0), unit), Decimal(0), None
        else:
            unit = 1 if symbol in "零〇" else unit
            current = _appended(current, symbol)
    return total + section + _tail(current, unit)


def _scaled(total: Decimal, section: Decimal, unit: int) -> Decimal:
    """三万亿 multiplies everything before 亿; 一亿三万 only the part behind it. A bare unit counts once."""
    if total and unit > total:
        return (total + section) * unit
    return total + (section or 1) * unit


def _appended(current: Decimal | None, symbol: str) -> Decimal:
    """Digits without a unit between them are written one after the other: 八五 is 85."""
    value = Decimal(DIGITS[symbol]) if symbol in DIGITS else Decimal(symbol)
    return value if current is None else current * 10 + value


def _tail(current: Decimal | None, unit: int) -> Decimal:
    """A single digit behind a unit means tenths of that unit: 三万五 is 35000, 一百二 is 120; 一百零二 is 102."""
    if current is None:
        return Decimal(0)
    short = unit >= 100 and current < 10 and current == int(current)
    return current * unit / 10 if short else current


def yuan(amount: Decimal | int) -> str:
    """Return an amount as it is shown: ¥30,000, ¥12.50."""
    value = Decimal(amount)
    return f"¥{value:,.0f}" if value == value.to_integral_value() else f"¥{value:,.2f}"
