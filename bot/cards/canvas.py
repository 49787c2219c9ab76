"""A picture of few colours, put together from boxes and from characters that resvg drew once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bot.cards.graphemes import graphemes
from bot.cards.lettering import advance, width_of
from bot.cards.png_file import Color, Pixels, read_grey, write_palette
from bot.cards.svg import SHARE_BEFORE, Anchor, png, words

WHITE = "#ffffff"
LEVELS = 16  # of ink at the edge of a letter
ASCENT = 1.16  # of the type size: the highest letters, and the lowest below the base line
DESCENT = 0.34
BLEED = 0.2  # what may stand out to the left and right of a letter's own width


class Canvas:
    """A white picture to draw on; places and sizes in pixels, colours as #rrggbb."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._colors: dict[Color, int] = {}
        self._pixels: Pixels = np.full((height, width), self._number(_rgb(WHITE)), np.uint8)

    def box(self, x: int, y: int, width: int, height: int, color: str) -> None:
        """Fill a box."""
        self._pixels[y : y + height, x : x + width] = self._number(_rgb(color))

    def words(
        self,
        x: int,
        y: int,
        text: str,
        size: int,
        color: str,
        *,
        on: str = WHITE,
        bold: bool = False,
        anchor: Anchor = "start",
    ) -> None:
        """Write one line of `drawable` text over the colour `on`; `y` is its base line, `anchor` the end at `x`."""
        left = x - round(SHARE_BEFORE[anchor] * width_of(text, size, bold=bold))
        ink = _line(text, size, bold)
        top, start = y - round(size * ASCENT), left - round(size * BLEED)
        place = self._pixels[max(top, 0) : top + ink.shape[0], max(start, 0) : start + ink.shape[1]]
        ink = ink[max(-top, 0) :, max(-start, 0) :][: place.shape[0], : place.shape[1]]
        np.copyto(place, self._shades(color, on)[ink], where=ink > 0)

    def png(self) -> bytes:
        """Return the picture."""
        return write_palette(self._pixels, list(self._colors))

    def _shades(self, color: str, ground: str) -> Pixels:
        """Return the numbers of the colours from the ground to full ink."""
        ends = zip(_rgb(ground), _rgb(color), strict=True)
        steps = [np.linspace(start, end, LEVELS).round().astype(int).tolist() for start, end in ends]
        return np.array([self._number(shade) for shade in zip(*steps, strict=True)], np.uint8)

    def _number(self, color: Color) -> int:
        return self._colors.setdefault(color, len(self._colors))


def _rgb(color: str) -> Color:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _line(text: str, size: int, bold: bool) -> Pixels:
    """Return how much ink each pixel of the line gets, 0 to 15, with the bleed on both sides."""
    stamps = [(one, _stamp(one, size, bold)) for one in graphemes(text)]
    ink = np.zeros((_height(size), width_of(text, size, bold=bold) + 2 * round(size * BLEED)), np.uint8)
    x = 0
    for one, stamp in stamps:
        place = ink[:, x : x + stamp.shape[1]]
        np.maximum(place, stamp, out=place)
        x += advance(one, size, bold=bold)
    return ink


@lru_cache(maxsize=8192)
def _stamp(grapheme: str, size: int, bold: bool) -> Pixels:
    """Return one character as `_line` places it."""
    width, bleed = advance(grapheme, size, bold=bold), round(size * BLEED)
    if grapheme.isspace():
        return np.zeros((_height(size), width + 2 * bleed), np.uint8)
    drawn = words(bleed, round(size * ASCENT), grapheme, size, "#000000", bold=bold)
    grey = read_grey(png(width + 2 * bleed, _height(size), [drawn]))
    ink = ((255 - grey.astype(np.uint16)) * (LEVELS - 1) / 255).round().astype(np.uint8)
    ink.setflags(write=False)  # it is shared
    return ink


def _height(size: int) -> int:
    return round(size * ASCENT) + round(size * DESCENT)
