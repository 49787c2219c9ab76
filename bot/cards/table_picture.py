"""Tables as pictures: phones show a Markdown table as its source text, a picture as a table.

Table → Grid (cells read) → Layout (type size, columns) → Drawing (SVG) → PNG. Pure, and safe in threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bot.cards.cells import Cell, Grid, is_total, read_table
from bot.cards.cut import shorten
from bot.cards.table_drawing import Drawing
from bot.cards.table_layout import lay_out
from handlers.messages import Table

# Up to here a list of the rows reads better than a picture.
LIST_ROWS = 12  # of two columns
LIST_CELLS = 12  # of more columns

NO_ROWS = "没有数据"
EXTREMES = "{column}：最高 {top}，最低 {low}"
ALL_SAME = "{column}：都是 {value}"
COUNT = "共 {count} 行"
FIGURES_TOLD = 2
ROWS_TOLD = 2
NAME_CHARS = 20
LINE_CHARS = 60


def worth_picture(table: Table) -> bool:
    """Whether a picture shows the table better than a list of its rows."""
    columns, rows = len(table.columns), len(table.rows)
    if columns < 2 or rows < 2:
        return False
    return rows > LIST_ROWS if columns == 2 else rows * columns > LIST_CELLS


def draw_table(table: Table) -> bytes:
    """Return the table as a PNG for a phone; what is left out of it is counted under it, figures are never cut."""
    return Drawing(lay_out(read_table(table))).png()


def short_text(table: Table) -> str:
    """Return what goes with the picture, in two to four lines: the title and the extremes, or the first rows."""
    grid = read_table(table)
    if not grid.rows:
        return "\n".join(filter(None, (_line(table.title), NO_ROWS)))
    lines = list(_extremes(grid)) or [" · ".join(cell.text for cell in row) for row in grid.rows[:ROWS_TOLD]]
    return "\n".join(filter(None, (_line(table.title), *map(_line, lines), COUNT.format(count=len(grid.rows)))))


def _line(text: str) -> str:
    return shorten(" ".join(text.split()), LINE_CHARS)


def _extremes(grid: Grid) -> Iterator[str]:
    """Yield the highest and the lowest of the first figures, by their rows' names."""
    rows = [row for row in grid.rows if not is_total(row)]
    numeric = [number for number in range(len(grid.columns)) if grid.numeric(number)]
    for number in numeric[:FIGURES_TOLD]:
        known = [(cell.number, row) for row in rows if (cell := row[number]).number is not None]
        if len(known) > 1:
            yield _extreme(grid, number, known)


def _extreme(grid: Grid, number: int, known: Sequence[tuple[Decimal | None, Sequence[Cell]]]) -> str:
    ranked = sorted(known, key=lambda pair: pair[0] or 0)
    (least, low), (most, top) = ranked[0], ranked[-1]
    column = grid.columns[number]
    if least == most:
        return ALL_SAME.format(column=column, value=top[number].shown)
    return EXTREMES.format(column=column, top=_named(grid, top, number), low=_named(grid, low, number))


def _named(grid: Grid, row: Sequence[Cell], number: int) -> str:
    names = (cell.shown for at, cell in enumerate(row) if not grid.numeric(at) and not cell.empty)
    return f"{shorten(' '.join(names), NAME_CHARS)} {row[number].shown}"
