"""Small Chinese numbers: 三, 十二, 两, 一百零五, and digits."""

from __future__ import annotations

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0, "俩": 2}
_SCALES = {"十": 10, "百": 100}

NUMERAL = r"(?:\d{1,4}|[一二三四五六七八九十两百零]{1,5})"


def read_number(text: str) -> int | None:
    """Return the value of a number below a thousand in Chinese characters, or of digits; None if it is neither."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, None
    for character in text:
        if character in _SCALES:
            total += (1 if digit is None else digit) * _SCALES[character]
            digit = None
        elif character in _DIGITS and (digit is None or digit == 0):
            digit = _DIGITS[character]
        else:
            return None
    return total + (digit or 0) if text else None
