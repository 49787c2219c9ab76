"""A laid-out table on a canvas: title, headings, striped rows, figures to the right with their changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from bot.cards.canvas import WHITE, Canvas
from bot.cards.cells import Cell, is_total
from bot.cards.svg import Anchor
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
TIGHT_LINE = 1.25  # of a second line that belongs to the first
BASE = 0.36  # from the middle of a line down to its base, of the type size
ROW_PAD = 12  # above and below the words of a row
BAR = 8  # width of the bar beside the title
BAR_GAP = 20
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
CHANGE_COLORS = {"↑": RISEN, "+": RISEN, "↓": FALLEN, "-": FALLEN, "−": FALLEN}

NO_ROWS = "没有数据"
MORE_ROWS = "另有 {count} 行未列出"
MORE_COLUMNS = "另有 {count} 列未列出"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A table on its way to a picture; everything's place follows from the layout."""

    layout: Layout

    def png(self) -> bytes:
        """Return the picture."""
        canvas = Canvas(self.layout.width, self._height)
        self._draw_title(canvas)
        self._draw_headings(canvas)
        for number in range(len(self.layout.rows)):
            self._draw_row(canvas, number)
        if not self.layout.rows:
            canvas.words(canvas.width // 2, self._base(0), NO_ROWS, self.layout.size, SOFT, anchor="middle")
        canvas.box(MARGIN, self._foot, self._inner, 2, RULE)
        canvas.words(MARGIN + PAD, self._foot + GAP // 2 + NOTE_SIZE, self._note, NOTE_SIZE, SOFT)
        return canvas.png()

    # ------------------------------------------------------------------------------------------------- places

    @property
    def _inner(self) -> int:
        return self.layout.width - 2 * MARGIN

    @property
    def _top(self) -> int:
        """Where the headings begin."""
        lines = len(self.layout.title)
        return MARGIN + (round(lines * TITLE_SIZE * LINE) + GAP if lines else 0)

    @property
    def _heading_line(self) -> int:
        return round(heading_size(self.layout.size) * TIGHT_LINE)

    @property
    def _body(self) -> int:
        """Where the rows begin."""
        lines = max((len(column.heading) for column in self.layout.columns), default=1)
        return self._top + lines * self._heading_line + 2 * ROW_PAD

    @property
    def _change_line(self) -> int:
        """The height of the changes under the figures, 0 where they stand beside or there are none."""
        changed = self.layout.stacked and any(column.change for column in self.layout.columns)
        return round(change_size(self.layout.size) * TIGHT_LINE) if changed else 0

    @property
    def _row_height(self) -> int:
        return round(self.layout.size * LINE) + self._change_line + 2 * ROW_PAD

    @property
    def _foot(self) -> int:
        """Where the rows end; a table without any has a line that says so."""
        return self._body + max(1, len(self.layout.rows)) * self._row_height

    @property
    def _height(self) -> int:
        return self._foot + MARGIN + (GAP // 2 + round(NOTE_SIZE * LINE) if self._note else 0)

    def _base(self, number: int) -> int:
        """Return the base line of a row's figures."""
        size = self.layout.size
        return round(self._body + number * self._row_height + ROW_PAD + size * LINE / 2 + size * BASE)

    def _placed(self) -> Iterator[tuple[int, Column]]:
        """Yield each column with its left edge."""
        columns = self.layout.columns
        return zip(accumulate((column.width for column in columns), initial=MARGIN), columns, strict=False)

    # -------------------------------------------------------------------------------------------------- parts

    def _draw_title(self, canvas: Canvas) -> None:
        line = round(TITLE_SIZE * LINE)
        inset = round(TITLE_SIZE * 0.2)  # the bar is as high as the letters
        for number, text in enumerate(self.layout.title):
            canvas.box(MARGIN, MARGIN + inset, BAR, (number + 1) * line - 2 * inset, BRAND)
            base = MARGIN + number * line + round(TITLE_SIZE * (LINE / 2 + BASE))
            canvas.words(MARGIN + BAR + BAR_GAP, base, text, TITLE_SIZE, INK, bold=True)

    def _draw_headings(self, canvas: Canvas) -> None:
        canvas.box(MARGIN, self._top, self._inner, self._body - self._top, HEAD)
        size, line = heading_size(self.layout.size), self._heading_line
        for x, column in self._placed():
            edge, anchor = _edge(x, column)
            first = (self._top + self._body - len(column.heading) * line) // 2
            for number, text in enumerate(column.heading):
                base = round(first + (number + 0.5) * line + BASE * size)
                canvas.words(edge, base, text, size, SOFT, on=HEAD, bold=True, anchor=anchor)

    def _draw_row(self, canvas: Canvas, number: int) -> None:
        row, y = self.layout.rows[number], self._body + number * self._row_height
        ground = STRIPE if number % 2 else WHITE
        canvas.box(MARGIN, y, self._inner, self._row_height, ground)
        if number and (is_total(row) or self._starts_group(number)):
            canvas.box(MARGIN, y, self._inner, 2, RULE)
        for at, ((x, column), cell) in enumerate(zip(self._placed(), row, strict=True)):
            color = FAINT if cell.empty or (at == 0 and self._repeats(number)) else INK
            self._draw_cell(canvas, number, x, column, cell, color, ground)

    def _draw_cell(
        self, canvas: Canvas, number: int, x: int, column: Column, cell: Cell, color: str, ground: str
    ) -> None:
        size, base = self.layout.size, self._base(number)
        bold = is_total(self.layout.rows[number])
        edge, anchor = _edge(x, column)
        if not column.numeric:
            canvas.words(edge, base + self._change_line // 2, cell.shown, size, color, on=ground, bold=bold)
            return
        beside = 0 if self.layout.stacked or not column.change else column.change + CHANGE_GAP
        canvas.words(edge - beside, base, cell.shown, size, color, on=ground, bold=bold, anchor=anchor)
        change = CHANGE_COLORS.get(cell.change[:1], SOFT)
        canvas.words(edge, base + self._change_line, cell.change, change_size(size), change, on=ground, anchor=anchor)

    @property
    def _grouped(self) -> bool:
        """Whether rows belong together: some begin alike, and more than one cell follows."""
        rows = self.layout.rows
        return len(self.layout.columns) > 2 and any(a[0].shown == b[0].shown for a, b in pairwise(rows))

    def _repeats(self, number: int) -> bool:
        rows = self.layout.rows
        return self._grouped and number > 0 and rows[number][0].shown == rows[number - 1][0].shown

    def _starts_group(self, number: int) -> bool:
        return self._grouped and not self._repeats(number)

    @property
    def _note(self) -> str:
        left = ((MORE_ROWS, self.layout.rows_left), (MORE_COLUMNS, self.layout.columns_left))
        return "，".join(note.format(count=count) for note, count in left if count)


def _edge(x: int, column: Column) -> tuple[int, Anchor]:
    """Return where the words of a column are aligned, and by which end."""
    return (x + column.width - PAD, "end") if column.numeric else (x + PAD, "start")
