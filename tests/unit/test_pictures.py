"""Drawing: the canvas, the files it makes, and the SVG under it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from bot.cards.canvas import Canvas
from bot.cards.png_file import read_grey, write_palette
from bot.cards.svg import box, png, words


def pixels_of(file: bytes) -> np.ndarray:
    """Return the palette numbers of a file `write_palette` made."""
    start = file.index(b"IDAT") + 4
    width, height = (int.from_bytes(file[at : at + 4]) for at in (16, 20))
    return np.frombuffer(zlib.decompress(file[start:]), np.uint8).reshape(height, width + 1)[:, 1:]


def test_a_picture_of_resvg_is_read_as_it_was_drawn() -> None:
    stripes = [box(n, n % 7, 1, 40 - n % 5, f"#{n * 5:02x}{n * 5:02x}{n * 5:02x}") for n in range(50)]
    grey = read_grey(png(50, 40, stripes))
    assert grey.shape == (40, 50)
    assert grey[20].tolist() == [n * 5 for n in range(50)]


def filtered(rows: list[list[int]]) -> bytes:
    """Return the first five rows by the five filters of the format, each a difference to what neighbours foretell."""
    out = bytearray()
    for kind, row in enumerate(rows):
        out.append(kind)
        for x, value in enumerate(row):
            left, up = (row[x - 1] if x else 0), (rows[kind - 1][x] if kind else 0)
            corner = rows[kind - 1][x - 1] if kind and x else 0
            nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
            foretold = (0, left, up, (left + up) // 2, nearest)[kind]
            out += bytes([(value - foretold) % 256, 0, 0, 255])
    return bytes(out)


def test_every_filter_of_the_format_is_undone() -> None:
    rows = [[(row * 71 + x * x * 37) % 256 for x in range(60)] for row in range(5)]
    size = struct.pack(">II", 60, 5) + bytes([8, 6, 0, 0, 0])
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(filtered(rows))), (b"IEND", b""))
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + bytes(4) for kind, body in chunks
    )
    assert read_grey(file).tolist() == rows


def test_a_palette_picture_holds_its_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    file = write_palette(pixels, [(n, n, n) for n in range(12)])
    assert pixels_of(file).tolist() == pixels.tolist()


def test_words_stand_where_they_are_put() -> None:
    canvas = Canvas(200, 100)
    canvas.words(190, 60, "口", 40, "#000000", anchor="end")
    rows, columns = np.nonzero(pixels_of(canvas.png()))
    assert 150 <= columns.min() < columns.max() < 190
    assert 20 <= rows.min() < rows.max() <= 64


@pytest.mark.parametrize(("x", "y"), [(-30, 20), (190, 20), (50, -10), (50, 500), (0, 0)])
def test_what_leaves_the_canvas_is_cut_off(x: int, y: int) -> None:
    canvas = Canvas(200, 100)
    canvas.words(x, y, "王女士，生日快乐", 40, "#000000")
    assert pixels_of(canvas.png()).shape == (100, 200)


def test_the_same_letter_always_looks_the_same() -> None:
    canvas = Canvas(300, 60)
    canvas.words(10, 40, "8888", 28, "#000000")
    ink = pixels_of(canvas.png())
    assert (ink[:, 12:26] == ink[:, 28:42]).all()


def test_svg_words_are_drawn_in_our_fonts_run_by_run() -> None:
    drawn = words(100, 50, "<王镕>", 30, "#000000", bold=True, anchor="middle")
    assert drawn.count("<text") == 3  # the bold font lacks 镕
    assert 'font-weight="400"' in drawn
    grey = read_grey(png(200, 80, [drawn, box(0, 70, 200, 2, "#ff0000", radius=1)], ()))
    _, columns = np.nonzero(grey[:60] < 128)
    assert 45 <= columns.min() < columns.max() <= 155
