"""Draws tables plainly, with the library that draws the real ones: enough to have a real PNG to send."""

from __future__ import annotations

from html import escape

import resvg_py

from handlers.messages import Table

LARGE = 12


class PlainPictures:
    """Pictures for tables of more than a dozen cells; counts what it drew."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def worth_picture(self, table: Table) -> bool:
        return len(table.columns) * len(table.rows) > LARGE

    def draw_table(self, table: Table) -> bytes:
        self.drawn.append(table.title)
        height = 20 * (len(table.rows) + 1)
        title = f"<text>{escape(table.title)}</text><rect width='60' height='{height}' fill='#07c'/>"
        svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='60' height='{height}'>{title}</svg>"
        return bytes(resvg_py.svg_to_bytes(svg_string=svg))

    def short_text(self, table: Table) -> str:
        return f"{table.title}\n共 {len(table.rows)} 行"
