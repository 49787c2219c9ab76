"""How a table becomes a picture, as renderers and platforms see it."""

from __future__ import annotations

from typing import Protocol

from handlers.messages import Table


class TablePictures(Protocol):
    """Draws tables; `bot.cards.table_picture` is one. Every function is pure and may run in a thread."""

    def worth_picture(self, table: Table) -> bool:
        """Whether the table is too large to be read as lines of text."""
        ...

    def draw_table(self, table: Table) -> bytes:
        """Return the table as a PNG."""
        ...

    def short_text(self, table: Table) -> str:
        """Return the few lines that go with the picture."""
        ...
