"""Tables and charts as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bot.cards.wecom_text import MAX_TEXT_BYTES, byte_size, one_line, split_text
from handlers.messages import Chart, Table

CONTINUED = "（续）"
NO_ROWS = "（没有数据）"


def table_texts(table: Table) -> list[str]:
    """Return the table in messages: a heading and one line per row; one line per column where there is one row."""
    title = f"【{one_line(table.title)}】" if table.title else ""
    columns = tuple(map(one_line, table.columns))
    rows = [tuple(map(one_line, row)) for row in table.rows]
    if len(rows) == 1:
        pairs = (f"{name}：{cell}" for name, cell in zip(columns, rows[0], strict=True))
        return split_text("\n".join([title, *pairs]))
    lines = [" · ".join(row) for row in rows] or [NO_ROWS]
    return list(_pages(title, " · ".join(columns), lines))


def _pages(title: str, heading: str, lines: list[str]) -> Iterator[str]:
    """Yield the lines in messages that each begin with the title and the heading."""
    room = MAX_TEXT_BYTES - byte_size(f"{title}{CONTINUED}\n{heading}\n")
    if room < MAX_TEXT_BYTES // 2:  # a heading that long is not worth repeating
        yield from split_text("\n".join([title, heading, *lines]))
        return
    for number, page in enumerate(split_text("\n".join(lines), room)):
        top = f"{title}{CONTINUED if number else ''}"
        yield "\n".join(filter(None, (top, heading, page)))


def chart_lines(chart: Chart) -> Iterator[str]:
    """Yield a heading and, for each series, its first, last, lowest and highest value; nothing without numbers."""
    told = [(one_line(name), _points(chart.labels, values)) for name, values in chart.series]
    told = [(name, points) for name, points in told if points]
    if not told:
        return
    yield f"【{one_line(chart.title)}】"
    for name, points in told:
        course = f"{_course(points)}，" if chart.shape == "line" else ""
        yield f"{name}：{course}{_extremes(points)}"


def _points(labels: tuple[str, ...], values: tuple[float, ...]) -> list[tuple[str, float]]:
    pairs = zip(labels, values, strict=True)
    return [(one_line(label), value) for label, value in pairs if math.isfinite(value)]


def _course(points: list[tuple[str, float]]) -> str:
    first, last = points[0][1], points[-1][1]
    change = f"（{(last - first) / abs(first):+.1%}）" if first else ""
    return f"{_number(first)} → {_number(last)}{change}"


def _extremes(points: list[tuple[str, float]]) -> str:
    low, high = min(points, key=_value), max(points, key=_value)
    return f"最低 {_number(low[1])}（{low[0]}），最高 {_number(high[1])}（{high[0]}）"


def _value(point: tuple[str, float]) -> float:
    return point[1]


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
