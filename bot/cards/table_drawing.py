"""A laid-out table as SVG elements: title, headings, striped rows, figures to the right with their changes beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from bot.cards.cells import Cell, is_total
from bot.cards.svg import box, words
from bot.cards.table_layout import (
    CHANGE_GAP,
    MARGIN,
    NOTE_SIZE,
    PAD,
    TITLE_SIZE,
    Column,
    Layout,
    change_size,
    heading_size,
)

LINE = 1.45  # height of a line, of the type size
BASE = 0.36  # from the middle of a line down to its base, of the type size
ROW_PAD = 12  # above and below the words of a row
BAR = 8  # the bar beside the title
GAP = 24  # between title, table and note

INK = "#1f2733"
SOFT = "#667085"  # headings and notes
FAINT = "#a6afbd"  # nothing to show, or the same as above
STRIPE = "#f5f8fc"
HEAD = "#e8eff9"
RULE = "#d3dbe8"
BRAND = "#2f6bde"
# Not red and green: whether red is a rise or a fault differs between readers, and some see no difference.
RISEN = "#2563b0"
FALLEN = "#c2570c"

NO_ROWS = "没有数据"
MORE_ROWS = "另有 {count} 行未列出"
MORE_COLUMNS = "另有 {count} 列未列出"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A table on its way to SVG; everything's place follows from the layout."""

    layout: Layout

    @property
    def height(self) -> int:
        """The height of the picture in pixels."""
        note = GAP // 2 + round(NOTE_SIZE * LINE) if self._note() else 0
        return self._foot + note + MARGIN

    def elements(self) -> Iterator[str]:
        """Yield everything to draw, what lies below first."""
        yield from self._title()
        yield box(MARGIN, self._top, self._inner, self._body - self._top, HEAD, radius=10)
        for x, column in self._placed():
            yield from self._heading(x, column)
        for number, row in enumerate(self.layout.rows):
            yield from self._row(number, row)
        if not self.layout.rows:
            base = self._base(0)
            yield words(self.layout.width / 2, base, NO_ROWS, self.layout.size, SOFT, anchor="middle")
        yield box(MARGIN, self._foot, self._inner, 2, RULE)
        if note := self._note():
            yield words(MARGIN + PAD, self._foot + GAP // 2 + NOTE_SIZE, note, NOTE_SIZE, SOFT)

    # ------------------------------------------------------------------------------------------------- places

    @property
    def _inner(self) -> int:
        return self.layout.width - 2 * MARGIN

    @property
    def _top(self) -> int:
        lines = len(self.layout.title)
        return MARGIN + (round(lines * TITLE_SIZE * LINE) + GAP if lines else 0)

    @property
    def _heading_line(self) -> float:
        return heading_size(self.layout.size) * 1.25

    @property
    def _body(self) -> int:
        lines = max((len(column.heading) for column in self.layout.columns), default=1)
        return self._top + round(lines * self._heading_line) + 2 * ROW_PAD

    @property
    def _line(self) -> int:
        return round(self.layout.size * LINE)

    @property
    def _row_height(self) -> int:
        changed = self.layout.stacked and any(column.change for column in self.layout.columns)
        return self._line + 2 * ROW_PAD + (self._change_line if changed else 0)

    @property
    def _change_line(self) -> int:
        return round(change_size(self.layout.size) * 1.25)

    @property
    def _foot(self) -> int:
        return self._body + max(1, len(self.layout.rows)) * self._row_height

    def _base(self, number: int) -> float:
        """Return the base line of a row's figures."""
        return self._body + number * self._row_height + ROW_PAD + self._line / 2 + BASE * self.layout.size

    def _placed(self) -> Iterator[tuple[float, Column]]:
        """Yield each column with its left edge."""
        columns = self.layout.columns
        return zip(accumulate((column.width for column in columns), initial=float(MARGIN)), columns, strict=False)

    # -------------------------------------------------------------------------------------------------- parts

    def _title(self) -> Iterator[str]:
        if self.layout.title:
            inset = TITLE_SIZE * 0.2  # the bar is as high as the letters
            height = len(self.layout.title) * TITLE_SIZE * LINE - 2 * inset
            yield box(MARGIN, MARGIN + inset, BAR, height, BRAND, radius=BAR / 2)
        for number, line in enumerate(self.layout.title):
            base = MARGIN + (number + 0.5) * TITLE_SIZE * LINE + BASE * TITLE_SIZE
            yield words(MARGIN + BAR + 20, base, line, TITLE_SIZE, INK, bold=True)

    def _heading(self, x: float, column: Column) -> Iterator[str]:
        size = heading_size(self.layout.size)
        middle = (self._top + self._body) / 2
        for number, line in enumerate(column.heading):
            base = middle + (number + 0.5 - len(column.heading) / 2) * self._heading_line + BASE * size
            if column.numeric:
                yield words(x + column.width - PAD, base, line, size, SOFT, bold=True, anchor="end")
            else:
                yield words(x + PAD, base, line, size, SOFT, bold=True)

    def _row(self, number: int, row: tuple[Cell, ...]) -> Iterator[str]:
        y = self._body + number * self._row_height
        if number % 2:
            yield box(MARGIN, y, self._inner, self._row_height, STRIPE)
        if number and (is_total(row) or (self._grouped and not self._repeats(number))):
            yield box(MARGIN, y, self._inner, 2, RULE)
        for at, ((x, column), cell) in enumerate(zip(self._placed(), row, strict=True)):
            faint = cell.empty or (at == 0 and self._grouped and self._repeats(number))
            color = FAINT if faint else INK
            yield from self._cell(x, self._base(number), column, cell, color, is_total(row))

    def _cell(self, x: float, base: float, column: Column, cell: Cell, color: str, bold: bool) -> Iterator[str]:
        size, right = self.layout.size, x + column.width - PAD
        if not column.numeric:
            middle = base + (self._row_height - self._line - 2 * ROW_PAD) / 2
            yield words(x + PAD, middle, cell.shown, size, color, bold=bold)
            return
        beside = bool(column.change) and not self.layout.stacked
        edge = right - column.change - CHANGE_GAP if beside else right
        yield words(edge, base, cell.shown, size, color, bold=bold, anchor="end")
        if cell.change:
            below = base + (self._change_line if self.layout.stacked else 0)
            yield words(right, below, cell.change, change_size(size), _change_color(cell.change), anchor="end")

    @property
    def _grouped(self) -> bool:
        """Whether rows under one another belong together: they begin alike, and more than a figure follows."""
        rows = self.layout.rows
        return len(self.layout.columns) > 2 and any(a[0].shown == b[0].shown for a, b in pairwise(rows))

    def _repeats(self, number: int) -> bool:
        rows = self.layout.rows
        return number > 0 and rows[number][0].shown == rows[number - 1][0].shown

    def _note(self) -> str:
        left = ((MORE_ROWS, self.layout.rows_left), (MORE_COLUMNS, self.layout.columns_left))
        return "，".join(note.format(count=count) for note, count in left if count)


def _change_color(change: str) -> str:
    return {"↑": RISEN, "+": RISEN, "↓": FALLEN, "-": FALLEN, "−": FALLEN}.get(change[0], SOFT)
