"""How wide the columns of a drawn table are, how large its type, and what is left out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.cards.cells import Cell, Grid
from bot.cards.cut import ELLIPSIS
from bot.cards.lettering import drawable, fitted, width_of

WIDTH = 1080  # pixels of a phone's screen
MOST_WIDTH = 1620  # in a wider picture no phone shows type that can be read
MARGIN = 40
PAD = 20  # on both sides of a cell
LEAST_TYPE = 28
TYPE_SIZES = (36, 34, 32, 30, LEAST_TYPE)
TITLE_SIZE = 42
BREAKS = "、，；：,; "  # where a title is broken
NOTE_SIZE = 28
HEADING_SCALE = 0.9  # of the type size, as far as it stays readable
CHANGE_SCALE = 0.85
CHANGE_GAP = 12
MOST_ROWS = 40
LEAST_WORDS = 8  # a column of words keeps room for this many Chinese characters


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading in one or two lines, the room for changes beside its figures, its width in pixels."""

    heading: tuple[str, ...]
    numeric: bool
    change: int
    width: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What is drawn: cells shortened to their columns, in a type size; the rest is counted.

    `stacked` puts changes under their figures, not beside them.
    """

    title: tuple[str, ...]
    size: int
    stacked: bool
    width: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rows_left: int
    columns_left: int


def lay_out(grid: Grid) -> Layout:
    """Return the largest type in which the table fits the width of a phone.

    What does not fit in the smallest type gets its changes under its figures, then headings of two lines, then shorter
    words, then a wider picture, and at last fewer columns: figures are never cut.
    """
    shown = _drawable(grid)
    size, stacked, columns = _sized(shown)
    kept = _fitting(_squeezed(columns, size))
    width = max(WIDTH, _total(kept) + 2 * MARGIN)
    spread = _spread(kept, width - 2 * MARGIN)
    rows = tuple(_cut(row, spread, size) for row in shown.rows)
    title = _title(shown.title, width - 2 * MARGIN - 2 * PAD)
    return Layout(title, size, stacked, width, spread, rows, len(grid.rows) - len(rows), len(columns) - len(kept))


def _drawable(grid: Grid) -> Grid:
    numeric = [grid.numeric(number) for number in range(len(grid.columns))]
    rows = (tuple(map(_drawable_cell, row, numeric)) for row in grid.rows[:MOST_ROWS])
    return Grid(drawable(grid.title), tuple(map(drawable, grid.columns)), tuple(rows))


def _drawable_cell(cell: Cell, numeric: bool) -> Cell:
    """Figures keep their change apart; in a column of words it is words."""
    return replace(cell, change=drawable(cell.change)) if numeric else Cell(drawable(cell.text))


def _title(text: str, room: int) -> tuple[str, ...]:
    """Return the title in one line or two, broken after punctuation if some is near; the second may be shortened."""
    if not text:
        return ()
    head = fitted(text, room, TITLE_SIZE, bold=True)
    if head == text:
        return (text,)
    head = head.removesuffix(ELLIPSIS)
    breaks = [at + 1 for at in range(len(head) * 3 // 5, len(head)) if head[at] in BREAKS]
    cut = breaks[-1] if breaks else len(head)
    return (head[:cut].rstrip(), fitted(text[cut:].lstrip(), room, TITLE_SIZE, bold=True))


def heading_size(size: int) -> int:
    """Return the type size of headings."""
    return max(LEAST_TYPE, round(size * HEADING_SCALE))


def change_size(size: int) -> int:
    """Return the type size of a change at its figure."""
    return max(LEAST_TYPE, round(size * CHANGE_SCALE))


def _sized(grid: Grid) -> tuple[int, bool, list[Column]]:
    for stacked in (False, True):
        for size in TYPE_SIZES:
            columns = _columns(grid, size, stacked)
            if _total(columns) <= WIDTH - 2 * MARGIN:
                return size, stacked, columns
    return LEAST_TYPE, True, _columns(grid, LEAST_TYPE, stacked=True, two_lines=True)


def _columns(grid: Grid, size: int, stacked: bool, two_lines: bool = False) -> list[Column]:
    numbered = enumerate(grid.columns)
    cells = [[row[number] for row in grid.rows] for number in range(len(grid.columns))]
    return [_column(name, cells[at], grid.numeric(at), size, stacked, two_lines) for at, name in numbered]


def _column(name: str, cells: Sequence[Cell], numeric: bool, size: int, stacked: bool, two_lines: bool) -> Column:
    figure = max((width_of(cell.shown, size, bold=True) for cell in cells), default=0)
    change = max((width_of(cell.change, change_size(size)) for cell in cells), default=0)
    body = max(figure, change) if stacked else figure + (change + CHANGE_GAP if change else 0)
    heading = _halves(name) if two_lines and _heading_width(name, size) > body else (name,)
    widest = max(_heading_width(line, size) for line in heading)
    return Column(heading, numeric, change, max(body, widest) + 2 * PAD)


def _heading_width(text: str, size: int) -> int:
    return width_of(text, heading_size(size), bold=True)


def _halves(name: str) -> tuple[str, ...]:
    half = (len(name) + 1) // 2
    return (name[:half].rstrip(), name[half:].lstrip()) if len(name) >= 4 else (name,)


def _squeezed(columns: Sequence[Column], size: int) -> list[Column]:
    """Take from columns of words, the widest first, what is too much."""
    least = LEAST_WORDS * size + 2 * PAD
    excess = _total(columns) - (WIDTH - 2 * MARGIN)
    squeezed = list(columns)
    for number in sorted(range(len(columns)), key=lambda at: -columns[at].width):
        column = columns[number]
        give = min(excess, column.width - least)
        if not column.numeric and give > 0:
            squeezed[number] = replace(column, width=column.width - give)
            excess -= give
    return squeezed


def _fitting(columns: Sequence[Column]) -> list[Column]:
    """Return the first columns that the widest picture has room for."""
    kept: list[Column] = []
    for column in columns:
        if kept and _total([*kept, column]) > MOST_WIDTH - 2 * MARGIN:
            break
        kept.append(column)
    return kept


def _spread(columns: Sequence[Column], room: int) -> tuple[Column, ...]:
    """Give every column the same share of the room that is left."""
    share = max(0, room - _total(columns)) // max(1, len(columns))
    return tuple(replace(column, width=column.width + share) for column in columns)


def _cut(row: Sequence[Cell], columns: Sequence[Column], size: int) -> tuple[Cell, ...]:
    pairs = zip(row, columns, strict=False)  # columns that are left out have cells still
    return tuple(
        cell if column.numeric else replace(cell, shown=fitted(cell.shown, column.width - 2 * PAD, size))
        for cell, column in pairs
    )


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns)
