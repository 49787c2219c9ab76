"""Drawing as SVG: words in the bot's own font, boxes, and the PNG of them. Pure, and safe in threads.

Colours are as in CSS, places and sizes in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Literal

import resvg_py

from bot.cards.font import BOLD, FAMILY, REGULAR, SYSTEM_FONTS, read_font, stand_ins
from bot.cards.graphemes import graphemes
from bot.cards.lettering import missing_glyphs, width_of

Anchor = Literal["start", "middle", "end"]
SHARE_BEFORE: dict[Anchor, float] = {"start": 0, "middle": 0.5, "end": 1}


def words(x: float, y: float, text: str, size: int, color: str, *, bold: bool = False, anchor: Anchor = "start") -> str:
    """Return SVG of one line of `drawable` text; `y` is its base line, `anchor` the end that stands at `x`."""
    left = x - SHARE_BEFORE[anchor] * width_of(text, size, bold=bold)
    elements = []
    for run, weight in _runs(text, bold):
        place = f'x="{left:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{color}"'
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


def _runs(text: str, bold: bool) -> Iterator[tuple[str, int]]:
    """Yield the text by the font that has it, with its weight: given a mixed run, resvg may change all of it."""
    heavy, regular = read_font(BOLD).advances, read_font(REGULAR).advances

    def font(grapheme: str) -> tuple[bool, bool]:
        return bold and grapheme[0] in heavy, grapheme[0] in regular

    for (is_bold, _), run in groupby(graphemes(text), font):
        yield "".join(run), 700 if is_bold else 400
