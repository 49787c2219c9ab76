"""Cells of a table read back: what number a formatted cell shows, its change, and which columns hold numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from handlers.messages import Table

# ¥3,516.20 · -¥12.3万 · 18.2% · 1.86 · 98 单
NUMBER = re.compile(
    r"([-+−]?)\s*[¥￥$]?\s*(\d[\d,]*(?:\.\d+)?)\s*(万|亿)?\s*(?:[%％‰]|个百分点|[元件单笔人次个家条张天])?"
)
# ¥12.3万（↑5.2%）: a figure and how it changed.
CHANGED = re.compile(r"(?P<figure>.*\S)\s*（(?P<change>[↑↓+\-−].*|持平)）")
SCALES = {"": Decimal(1), "万": Decimal(10_000), "亿": Decimal(100_000_000)}
MINUS = "-−"
NOTHING = frozenset({"", "-", "—", "–", "--", "/", "无"})
TOTALS = frozenset({"合计", "总计", "小计", "全部", "平均"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as shown: the figure or words, the change behind it, and the number the figure stands for, if any."""

    shown: str
    change: str = ""
    number: Decimal | None = None

    @property
    def text(self) -> str:
        """The whole of it in one."""
        return f"{self.shown}（{self.change}）" if self.change else self.shown

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.shown in NOTHING


@dataclass(frozen=True, slots=True)
class Grid:
    """A table whose cells are read; every row has as many cells as there are columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers only; the first column names the rows, whatever it holds."""
        cells = (row[column] for row in self.rows)
        return column > 0 and all(cell.empty or cell.number is not None for cell in cells)


def read_table(table: Table) -> Grid:
    """Return the table with its cells read; a short row is filled up, what has no column is left out."""
    width = len(table.columns)
    rows = ((*row, *[""] * width)[:width] for row in table.rows)
    return Grid(table.title, table.columns, tuple(tuple(map(read_cell, row)) for row in rows))


def is_total(row: Sequence[Cell]) -> bool:
    """Whether a row sums up others: one of its first two cells says so."""
    return any(cell.shown in TOTALS for cell in row[:2])


def read_cell(text: str) -> Cell:
    """Return what a cell shows."""
    said = text.strip()
    changed = CHANGED.fullmatch(said)
    if changed is not None and (number := read_number(changed["figure"])) is not None:
        return Cell(changed["figure"], changed["change"], number)
    return Cell(said, number=read_number(said))


def read_number(text: str) -> Decimal | None:
    """Return the number a formatted figure shows, None when it is no figure."""
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits, scale = match[1], match[2].replace(",", ""), match[3] or ""
    return Decimal(digits) * SCALES[scale] * (-1 if sign and sign in MINUS else 1)
