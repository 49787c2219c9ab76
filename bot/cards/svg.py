"""Drawing with the bot's own font: boxes and words placed by their measured widths, and the PNG of it.

All of it is pure and safe in threads. Colours are as in CSS, places and sizes in pixels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Literal

import resvg_py

from bot.cards.font import BOLD, FAMILY, REGULAR, SYSTEM_FONTS, read_font, stand_ins
from bot.cards.graphemes import graphemes

ELLIPSIS = "…"
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

Anchor = Literal["start", "middle", "end"]
SHARE_BEFORE: dict[Anchor, float] = {"start": 0, "middle": 0.5, "end": 1}


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


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide the text is drawn."""
    return size * sum(_advance(one[0], bold) for one in graphemes(text))


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return the text, or as much of it as fits the width with an ellipsis."""
    if width_of(text, size, bold=bold) <= width:
        return text
    room = width - width_of(ELLIPSIS, size, bold=bold)
    kept = ""
    for one in graphemes(text):
        room -= width_of(one, size, bold=bold)
        if room < 0:
            break
        kept += one
    return kept.rstrip() + ELLIPSIS


def words(
    x: float, y: float, text: str, size: float, color: str, *, bold: bool = False, anchor: Anchor = "start"
) -> str:
    """Return SVG of one line of text; `y` is its base line, `anchor` the end that stands at `x`."""
    left = x - SHARE_BEFORE[anchor] * width_of(text, size, bold=bold)
    elements = []
    for run, weight in _runs(text, bold):
        place = f'x="{left:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" fill="{color}"'
        elements.append(f"<text {place}>{escape(run)}</text>")
        left += width_of(run, size, bold=bold)
    return "".join(elements)


def box(x: float, y: float, width: float, height: float, color: str, *, radius: float = 0) -> str:
    """Return SVG of a filled box, its corners rounded by `radius`."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="{radius:g}" fill="{color}"/>'


def png(width: int, height: int, elements: Iterable[str], candidates: Sequence[Path] = SYSTEM_FONTS) -> bytes:
    """Return the picture of the elements on white."""
    body = "".join(elements)
    view = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" {view} font-family="{FAMILY}" xml:space="preserve">{body}</svg>'
    extra = [font.path for font in stand_ins(missing_glyphs(body), candidates)]
    return resvg_py.svg_to_bytes(
        svg_string=picture,
        background="#ffffff",
        skip_system_fonts=True,
        font_files=[str(path) for path in (REGULAR, BOLD, *extra)],
    )


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


def _runs(text: str, bold: bool) -> Iterator[tuple[str, int]]:
    """Yield the text by the font that has it, with its weight: given a mixed run, resvg may change all of it."""
    heavy, regular = read_font(BOLD).advances, read_font(REGULAR).advances

    def font(grapheme: str) -> tuple[bool, bool]:
        return bold and grapheme[0] in heavy, grapheme[0] in regular

    for (is_bold, _), run in groupby(graphemes(text), font):
        yield "".join(run), 700 if is_bold else 400


def _advance(char: str, bold: bool) -> float:
    own = read_font(BOLD if bold else REGULAR).advances.get(char) or read_font(REGULAR).advances.get(char)
    if own is not None:
        return own
    return next((font.advances[char] for font in stand_ins({char})), UNKNOWN_WIDTH)
