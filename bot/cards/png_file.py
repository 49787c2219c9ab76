"""PNG files: the grey values of one that resvg wrote, and one of few colours written small (PNG, RFC 2083).

resvg writes four channels, which makes a table two or three times as large as a palette does, and holds the
interpreter while it draws. So each character is drawn once, and pictures are put together from them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = 4  # colour type 6 with 8 bits: what resvg writes
PALETTE = 3
MOST_COLORS = 256


def read_grey(png: bytes) -> Pixels:
    """Return the first channel, rows by columns, of a picture with red, green, blue and alpha in 8 bits each."""
    chunks = list(_chunks(png))
    width, height = struct.unpack_from(">II", chunks[0][1])
    data = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    rows = np.frombuffer(data, np.uint8).reshape(height, 1 + CHANNELS * width)
    grey = np.zeros((height, width), np.uint8)
    above = [0] * width
    for number, row in enumerate(rows):
        above = _unfiltered(int(row[0]), row[1::CHANNELS].tolist(), above)
        grey[number] = above
    return grey


def write_palette(pixels: Pixels, colors: Sequence[Color]) -> bytes:
    """Return a PNG whose pixels are numbers of these colours, 256 at most."""
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, PALETTE, 0, 0, 0)
    unfiltered = np.zeros((height, 1 + width), np.uint8)  # 0: no filter, the best for a palette
    unfiltered[:, 1:] = pixels
    body = zlib.compress(unfiltered.tobytes(), 6)
    palette = bytes(value for color in colors for value in color)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", body), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _unfiltered(kind: int, row: Sequence[int], above: Sequence[int]) -> list[int]:
    """Return a row's values: each was written as the difference to what its neighbours foretell."""
    values: list[int] = []
    left = corner = 0
    for value, up in zip(row, above, strict=True):
        left = (value + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 0xFF
        corner = up
        values.append(left)
    return values


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour nearest to left + up - corner."""
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
