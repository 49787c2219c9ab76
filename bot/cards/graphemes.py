"""What a reader takes for one character: a letter with its accents, a flag, a family of emoji (Unicode annex 29).

The rules are those of the annex, short of the joined consonants of Indic scripts and of signs that precede a letter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

JOINER = "\u200d"  # makes one emoji of several
NON_JOINER = "\u200c"
SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
TAGS = ("\U000e0020", "\U000e007f")  # spell out the flags of regions such as Scotland
REGIONS = ("\U0001f1e6", "\U0001f1ff")  # two of these letters are a flag
KANA_MARKS = ("\uff9e", "\uff9f")
MARKS = frozenset({"Mn", "Me", "Mc"})  # categories: accents, vowel signs, variation selectors, the frame of keycaps
CONTROLS = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
NOT_PICTURES = frozenset("LNZC")
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)
SYLLABLES_PER_VOWEL = 28  # the first of them ends in the vowel
# What follows what in a Hangul syllable: leading consonant, vowel, trailing consonant; A and B are composed ones,
# without and with the last.
FOLLOWERS = {"L": "LVAB", "A": "VT", "V": "VT", "B": "T", "T": "T"}
JAMO = (
    ("L", range(0x1100, 0x1160)),
    ("L", range(0xA960, 0xA97D)),
    ("V", range(0x1160, 0x11A8)),
    ("V", range(0xD7B0, 0xD7C7)),
    ("T", range(0x11A8, 0x1200)),
    ("T", range(0xD7CB, 0xD7FC)),
)


def graphemes(text: str) -> Iterator[str]:
    """Yield the text in pieces that must not be torn; joined they are the text."""
    start = 0
    for at in range(1, len(text)):
        if not joined(text, at):
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def boundary(text: str, at: int) -> int:
    """Return the last place at or before `at` where the text may be cut; 0 when there is none."""
    while 0 < at < len(text) and joined(text, at):
        at -= 1
    return at


def joined(text: str, at: int) -> bool:
    """Whether the characters before and after this place belong together; `at` lies inside the text."""
    before, after = text[at - 1], text[at]
    if after < "\u0300":  # most text: nothing below this combines
        return before == "\r" and after == "\n"
    if _is_control(before) or _is_control(after):
        return False
    if _extends(after):
        return True
    if before == JOINER:
        return _is_picture(after)
    if _within(before, REGIONS) and _within(after, REGIONS):
        return _regions_before(text, at) % 2 == 1
    return _hangul(after) in FOLLOWERS.get(_hangul(before), "")


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in MARKS
        or char in (JOINER, NON_JOINER)
        or any(_within(char, span) for span in (SKIN_TONES, TAGS, KANA_MARKS))
    )


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in CONTROLS and not _extends(char)


def _is_picture(char: str) -> bool:
    """Emoji newer than Python's tables have no category yet: `Cn`."""
    category = unicodedata.category(char)
    return category[0] not in NOT_PICTURES or (category == "Cn" and char >= "\U0001f000")


def _regions_before(text: str, at: int) -> int:
    count = 0
    while count < at and _within(text[at - count - 1], REGIONS):
        count += 1
    return count


def _within(char: str, span: tuple[str, str]) -> bool:
    return span[0] <= char <= span[1]


def _hangul(char: str) -> str:
    """Return the part a character plays in a Hangul syllable, "?" for none."""
    point = ord(char)
    if point in HANGUL_SYLLABLES:
        return "A" if (point - HANGUL_SYLLABLES.start) % SYLLABLES_PER_VOWEL == 0 else "B"
    return next((part for part, span in JAMO if point in span), "?")
