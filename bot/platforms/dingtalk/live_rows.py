"""What is known of streaming cards, by their id: so that the send of another process can finish one, and a sweep ends
what a process that died left at 「处理中」.

    open ─→ closed     the whole text stands on the card
         └→ switched   the card was given up; the text goes, or went, as a message
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CursorResult, select, update

from bot.platforms.services import Services
from db.insert_new import insert_new
from db.models import Stream

LiveState = Literal["open", "closed", "switched"]
# The table serves other channels too.
PREFIX = "dt-"
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class LiveCard:
    """A streaming card; `delivered` when it is certain that somebody sees it, `live` what it shows."""

    public_id: str
    state: LiveState
    delivered: bool
    live: str
    opened_at: datetime


class LiveRows:
    """The streaming cards of one tenant."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def open(self, public_id: str) -> LiveCard:
        """Return the card of this id, noted down now if it is new."""
        now = self._services.clock()
        values = {"state": "open", "pieces": {}, "live": "", "opened_at": now}
        async with self._services.database.write() as session:
            await insert_new(session, Stream, {"tenant_id": self._services.tenant_id, "public_id": public_id, **values})
        return await self.find(public_id) or LiveCard(public_id, "open", delivered=False, live="", opened_at=now)

    async def find(self, public_id: str) -> LiveCard | None:
        """Return what is known of this card."""
        async with self._services.database.read() as session:
            row = (await session.scalars(select(Stream).where(*self._is(public_id)))).one_or_none()
        return _card(row) if row is not None else None

    async def delivered(self, public_id: str) -> None:
        """Note that somebody sees the card."""
        await self._change(public_id, pieces={"delivered": True})

    async def shows(self, public_id: str, text: str) -> None:
        """Note what the card shows."""
        await self._change(public_id, live=text)

    async def end(self, public_id: str, state: LiveState) -> bool:
        """Note how the card ended; False when it had ended before."""
        return await self._change(public_id, state=state)

    async def left_open(self, before: datetime) -> Sequence[LiveCard]:
        """Return cards that were opened before this moment and have not ended."""
        query = select(Stream).where(
            Stream.tenant_id == self._services.tenant_id,
            Stream.public_id.startswith(PREFIX),
            Stream.state == "open",
            Stream.opened_at < before,
        )
        async with self._services.database.read() as session:
            return [_card(row) for row in await session.scalars(query.order_by(Stream.id).limit(AT_ONCE))]

    async def _change(self, public_id: str, **values: Any) -> bool:
        statement = update(Stream).where(*self._is(public_id), Stream.state == "open").values(**values)
        async with self._services.database.write() as session:
            result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
            return result.rowcount == 1

    def _is(self, public_id: str) -> tuple[Any, ...]:
        return Stream.tenant_id == self._services.tenant_id, Stream.public_id == public_id


def _card(row: Stream) -> LiveCard:
    state: LiveState = "closed" if row.state == "closed" else "switched" if row.state == "switched" else "open"
    return LiveCard(row.public_id, state, bool(row.pieces.get("delivered")), row.live, row.opened_at)
