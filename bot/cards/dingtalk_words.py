"""Tables and charts in words: what phones show as source text, or cannot draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from handlers.messages import Chart, Table

TABLE_ROWS = 60

MORE_ROWS = "还有 {count} 行没有列出，可以问得再细一些，比如只看一家店。"
NO_DATA = "没有数据"
BREAK = "\n\n"


def table_text(table: Table) -> str:
    """Return a table as list lines; rows that share their first cell stand under it."""
    shown, rest = table.rows[:TABLE_ROWS], len(table.rows) - TABLE_ROWS
    blocks = [f"**{table.title}**"] if table.title else []
    blocks += _grouped_rows(table.columns, shown) if _has_groups(shown) else ["\n".join(_rows(table.columns, shown))]
    if not shown:
        blocks = [*blocks[:1], NO_DATA]
    if rest > 0:
        blocks.append(MORE_ROWS.format(count=rest))
    return BREAK.join(block for block in blocks if block)


def chart_text(chart: Chart) -> str:
    """Return what a chart would let one see: the way and the extremes of a line, the ends of a ranking."""
    summary = _line_summary if chart.shape == "line" else _bar_summary
    lines = [f"- **{name}**：{summary(chart.labels, values)}" for name, values in chart.series]
    head = [f"**{chart.title}**"] if chart.title else []
    return BREAK.join([*head, "\n".join(lines) or NO_DATA])


def _has_groups(rows: Sequence[tuple[str, ...]]) -> bool:
    return any(len(a) > 2 and a[:1] == b[:1] for a, b in pairwise(rows))


def _grouped_rows(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    groups = groupby(rows, key=lambda row: row[0])
    return [
        BREAK.join([f"**{name}**", "\n".join(_rows(columns[1:], [row[1:] for row in members]))])
        for name, members in groups
    ]


def _rows(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(columns, row) for row in rows]


def _row(columns: Sequence[str], row: Sequence[str]) -> str:
    if len(row) == 1:
        return f"- {row[0]}"
    cells = "，".join(f"{name} {cell}" for name, cell in zip(columns[1:], row[1:], strict=False))
    return f"- **{row[0]}**：{cells}"


def _line_summary(labels: Sequence[str], values: Sequence[float]) -> str:
    points = list(zip(labels, values, strict=False))
    if not points:
        return NO_DATA
    (first_label, first), (last_label, last) = points[0], points[-1]
    top, bottom = max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])
    way = f"{first_label} {_number(first)}，{last_label} {_number(last)}{_change(first, last)}"
    return f"{way}；最高 {top[0]} {_number(top[1])}，最低 {bottom[0]} {_number(bottom[1])}"


def _bar_summary(labels: Sequence[str], values: Sequence[float]) -> str:
    ranked = sorted(zip(labels, values, strict=False), key=lambda point: -point[1])
    if not ranked:
        return NO_DATA
    best = "、".join(f"{label} {_number(value)}" for label, value in ranked[:3])
    if len(ranked) <= 3:
        return f"从高到低 {best}"
    return f"前三 {best}；最低 {ranked[-1][0]} {_number(ranked[-1][1])}"


def _change(first: float, last: float) -> str:
    return f"（{(last - first) / first:+.1%}）" if first > 0 else ""


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
