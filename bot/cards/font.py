"""The fonts of pictures: which characters they hold and how wide each is, read from the font files themselves.

The bot ships its own (fonts/README.md). A character it lacks is looked for in the system's fonts; these are named one
by one and given to the renderer by file, so that nothing else installed has a say.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FAMILY = "Daogou Sans"
FONTS = Path(__file__).parent / "fonts"
REGULAR = FONTS / "DaogouSans-Regular.otf"
BOLD = FONTS / "DaogouSans-Bold.otf"
# Where Debian, Alpine, Red Hat, macOS and Windows keep fonts with many characters.
SYSTEM_FONTS = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/noto/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/System/Library/Fonts/PingFang.ttc"),
    Path("C:/Windows/Fonts/msyh.ttc"),
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
)

SEGMENTS_OF_16_BITS = 4  # formats of a character map (OpenType, "cmap")
GROUPS_OF_32_BITS = 12
COLLECTION = b"ttcf"
OUTLINES = frozenset({"glyf", "CFF "})  # emoji fonts hold bitmaps instead, which resvg leaves out


class UnreadableFont(ValueError):
    """A file that is no font, has no outlines to draw, or has a character map of an unknown form."""


@dataclass(frozen=True, slots=True)
class Font:
    """The advance width of every character a font holds, in parts of the type size."""

    path: Path
    advances: Mapping[str, float]

    def lacks(self, characters: Iterable[str]) -> set[str]:
        """Return the characters this font has no glyph for."""
        return {char for char in characters if char not in self.advances}


@lru_cache(maxsize=16)
def read_font(path: Path) -> Font:
    """Return a font, the first one of a collection; `UnreadableFont` or `OSError` when it cannot be read."""
    data = path.read_bytes()
    try:
        tables = _tables(data)
        if not OUTLINES & tables.keys():
            raise UnreadableFont(str(path))
        widths = _widths(data, tables)
        glyphs = dict(_glyphs(data, tables["cmap"]))
    except (struct.error, KeyError, IndexError) as err:
        raise UnreadableFont(str(path)) from err
    last = len(widths) - 1  # the glyphs after the last width share it
    return Font(path, {chr(code): widths[min(glyph, last)] for code, glyph in glyphs.items()})


def stand_ins(characters: set[str], candidates: Sequence[Path] = SYSTEM_FONTS) -> Iterator[Font]:
    """Yield the installed fonts that hold some of the characters, until none is left."""
    left = set(characters)
    for path in candidates:
        font = _installed(path) if left else None
        if font is not None and len(lacking := font.lacks(left)) < len(left):
            left = lacking
            yield font


def _installed(path: Path) -> Font | None:
    try:
        return read_font(path)
    except (OSError, UnreadableFont):
        return None


def _tables(data: bytes) -> dict[str, int]:
    """Return where each table begins."""
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == COLLECTION else 0
    (count,) = struct.unpack_from(">H", data, start + 4)
    records = (struct.unpack_from(">4sII", data, start + 12 + 16 * number) for number in range(count))
    return {tag.decode("latin-1"): offset for tag, _, offset in records}


def _widths(data: bytes, tables: Mapping[str, int]) -> list[float]:
    (units,) = struct.unpack_from(">H", data, tables["head"] + 18)
    (count,) = struct.unpack_from(">H", data, tables["hhea"] + 34)
    pairs = struct.iter_unpack(">Hh", data[tables["hmtx"] : tables["hmtx"] + 4 * count])
    return [advance / units for advance, _ in pairs]


def _glyphs(data: bytes, cmap: int) -> Iterator[tuple[int, int]]:
    """Yield (code point, glyph) of the fullest character map."""
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    places = [cmap + struct.unpack_from(">I", data, cmap + 8 + 8 * number)[0] for number in range(count)]
    formats = {struct.unpack_from(">H", data, place)[0]: place for place in places}
    if GROUPS_OF_32_BITS in formats:
        return _groups(data, formats[GROUPS_OF_32_BITS])
    return _segments(data, formats[SEGMENTS_OF_16_BITS])


def _groups(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(">I", data, at + 12)
    for first, last, glyph in struct.iter_unpack(">III", data[at + 16 : at + 16 + 12 * count]):
        yield from zip(range(first, last + 1), range(glyph, glyph + last - first + 1), strict=True)


def _segments(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    (double,) = struct.unpack_from(">H", data, at + 6)
    starts = (at + 14, *(at + 16 + part * double for part in (1, 2, 3)))
    lasts, firsts, deltas, offsets = (struct.unpack_from(f">{double // 2}H", data, start) for start in starts)
    for number, (first, last, delta, offset) in enumerate(zip(firsts, lasts, deltas, offsets, strict=True)):
        glyph_ids = at + 16 + 3 * double + 2 * number + offset
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = struct.unpack_from(">H", data, glyph_ids + 2 * (code - first))[0] if offset else code
            if glyph:
                yield code, (glyph + delta) & 0xFFFF
