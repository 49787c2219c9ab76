"""Letters in pictures: which can be drawn, and how wide they are, measured in the bot's own font."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from bot.cards.cut import ELLIPSIS
from bot.cards.font import BOLD, REGULAR, SYSTEM_FONTS, read_font, stand_ins
from bot.cards.graphemes import graphemes

# What Chinese printers set for a character they have no type of.
NO_GLYPH = "〓"
# Emoji are drawn from outlines only, which their fonts lack; these mean the same.
LIKE = {
    **dict.fromkeys("✅✔☑", "✓"),
    **dict.fromkeys("❌✖✕✗✘❎", "×"),
    **dict.fromkeys("⭐🌟", "★"),
    **dict(zip("➡⬅⬆⬇", "→←↑↓", strict=True)),
    **dict(zip("❗❓", "！？", strict=True)),
}
CONTROLS = frozenset({"Cc", "Cs"})
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
VARIATIONS = ("\ufe00", "\ufe0f")
PICTURES = frozenset({"So", "Sk", "Cn"})  # categories of emoji; the newest have none yet
UNKNOWN_WIDTH = 1.0  # of the type size


def missing_glyphs(text: str) -> set[str]:
    """Return the characters the bot's own font cannot draw; they need a font of the system."""
    return {char for char in read_font(REGULAR).lacks(text) if _is_seen(char)}


def drawable(text: str, candidates: Sequence[Path] = SYSTEM_FONTS) -> str:
    """Return the text on one line, in characters that our font or an installed one draws.

    Emoji become a like sign or are left out; another character nobody draws becomes 〓, as does a text of emoji only.
    """
    line = " ".join("".join(filter(_is_xml, unicodedata.normalize("NFC", text))).split())
    missing = missing_glyphs(line)
    for font in stand_ins(missing, candidates):
        missing = font.lacks(missing)
    drawn = "".join(_drawn("".join(filter(_is_seen_or_space, one)), missing) for one in graphemes(line))
    return drawn.strip() or (NO_GLYPH if line else "")


def width_of(text: str, size: int, *, bold: bool = False) -> int:
    """Return the pixels the text takes in a line; `size` is the type size in pixels."""
    return sum(advance(one, size, bold=bold) for one in graphemes(text))


def advance(grapheme: str, size: int, *, bold: bool = False) -> int:
    """Return the pixels from this character to the next: whole ones, so that the same letter always looks the same."""
    return round(size * _advance(grapheme[0], bold))


def fitted(text: str, width: float, size: int, *, bold: bool = False) -> str:
    """Return the text, or as much of it as fits the width with an ellipsis."""
    if width_of(text, size, bold=bold) <= width:
        return text
    room = width - width_of(ELLIPSIS, size, bold=bold)
    kept = ""
    for one in graphemes(text):
        room -= advance(one, size, bold=bold)
        if room < 0:
            break
        kept += one
    return kept.rstrip() + ELLIPSIS


def _is_xml(char: str) -> bool:
    """Whether an XML document may hold the character."""
    return char.isspace() or not (unicodedata.category(char) in CONTROLS or char in "\ufffe\uffff")


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in UNSEEN and not VARIATIONS[0] <= char <= VARIATIONS[1]


def _is_seen_or_space(char: str) -> bool:
    return char == " " or _is_seen(char)


def _drawn(grapheme: str, missing: set[str]) -> str:
    if not missing & set(grapheme):
        return grapheme
    first = grapheme[0]
    if first not in missing:  # a letter without an accent that no font has
        return first
    return LIKE.get(first, "" if unicodedata.category(first) in PICTURES else NO_GLYPH)


def _advance(char: str, bold: bool) -> float:
    own = read_font(BOLD if bold else REGULAR).advances.get(char) or read_font(REGULAR).advances.get(char)
    if own is not None:
        return own
    return next((font.advances[char] for font in stand_ins({char})), UNKNOWN_WIDTH)
