"""Streams: what is shown under one question while the platform keeps asking for more, shared by all replicas.

    (no row) ─→ open ─→ closed      the whole of it was fetched
                  └───→ switched    its time ran out; what comes later goes another way

A row is made when it is first needed. Whoever changes one locks it first, so that a piece is either part of what
is fetched last or told that it came too late, never neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CursorResult, Select, delete, or_, select, update

from db.engine import Database
from db.insert_new import insert_new
from db.models import Stream

IN_STREAM = "stream"

Handed = Literal["new", "again", "no"]
End = Literal["closed", "switched"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of an answer under the key of its delivery; `way` is how it went.

    `shown` names the fetch that carried it, for a piece that may be shown in one fetch only.
    """

    key: str
    payload: dict[str, Any]
    way: str = IN_STREAM
    shown: str = ""


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream as it stands; `live` is text still being written, to be replaced by the piece of `live_key`."""

    public_id: str
    state: str
    pieces: tuple[Piece, ...]
    live_key: str
    live: str
    opened_at: datetime
    asked_at: datetime | None


Accepts = Callable[[StreamView, Piece], bool]


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one tenant."""

    database: Database
    tenant_id: int

    async def find(self, public_id: str) -> StreamView | None:
        """Return the stream, None when nothing has needed it yet."""
        async with self.database.read() as session:
            row = (await session.scalars(self._one(public_id))).one_or_none()
            return _view(row) if row else None

    async def hand_over(self, public_id: str, opened_at: datetime, piece: Piece, accepts: Accepts) -> Handed:
        """Add a piece if `accepts` says so; `again` when it went this way under its key before."""
        async with self._locked(public_id, opened_at) as row:
            view = _view(row)
            known = next((one for one in view.pieces if one.key == piece.key), None)
            if known is not None:
                return "again" if known.way == piece.way else "no"
            if not accepts(view, piece):
                return "no"
            row.pieces = _packed((*view.pieces, piece))
            if _belongs(piece.key, view.live_key):
                row.live = ""
            return "new"

    async def take_back(self, public_id: str, key: str) -> None:
        """Remove a piece that has certainly not gone out."""
        async with self._locked(public_id, None) as row:
            row.pieces = _packed(tuple(piece for piece in _view(row).pieces if piece.key != key))

    async def write_live(self, public_id: str, opened_at: datetime, key: str, text: str) -> None:
        """Replace the text still being written, while the stream is open."""
        await self._ensure(public_id, opened_at)
        statement = update(Stream).where(*self._is(public_id), Stream.state == "open").values(live=f"{key}\n{text}")
        async with self.database.write() as session:
            await session.execute(statement)

    async def fetch(
        self,
        public_id: str,
        opened_at: datetime,
        by: str,
        now: datetime,
        once: Callable[[Piece], bool],
        end: End | None = None,
    ) -> StreamView:
        """Note that `by` fetches the stream now and return what it is to show; an open one ends as `end`.

        The first piece that `once` names and no fetch has carried yet is given to this one.
        """
        async with self._locked(public_id, opened_at) as row:
            view = _view(row)
            row.asked_at = now
            if view.state == "open" and end is not None:
                row.state = end
            row.pieces = _packed(_carried(view.pieces, by, once))
            return _view(row)

    async def switch(self, public_id: str, seen: Collection[str]) -> bool:
        """Let later pieces go another way; False when the stream has ended or holds others than the keys `seen`."""
        async with self._locked(public_id, None) as row:
            unseen = [one.key for one in _view(row).pieces if one.way == IN_STREAM and one.key not in seen]
            if row.state != "open" or unseen:
                return False
            row.state = "switched"
            return True

    async def forsaken(self, prefix: str, since: datetime, limit: int = 200) -> list[StreamView]:
        """Return open streams that were opened before `since` and not fetched after it, oldest first."""
        query = (
            select(Stream)
            .where(
                Stream.tenant_id == self.tenant_id,
                Stream.public_id.startswith(prefix, autoescape=True),
                Stream.state == "open",
                Stream.opened_at <= since,
                or_(Stream.asked_at.is_(None), Stream.asked_at <= since),
            )
            .order_by(Stream.id)
            .limit(limit)
        )
        async with self.database.read() as session:
            return [_view(row) for row in await session.scalars(query)]

    async def forget(self, prefix: str, before: datetime) -> int:
        """Delete what was opened before a moment and return how many there were."""
        mine = (Stream.tenant_id == self.tenant_id, Stream.public_id.startswith(prefix, autoescape=True))
        async with self.database.write() as session:
            result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
                delete(Stream).where(*mine, Stream.opened_at < before)
            )
            return result.rowcount

    @asynccontextmanager
    async def _locked(self, public_id: str, opened_at: datetime | None) -> AsyncIterator[Stream]:
        """Yield the row, nobody else changing it; without `opened_at` it must be there."""
        if opened_at is not None:
            await self._ensure(public_id, opened_at)
        async with self.database.write() as session:
            yield (await session.scalars(self._one(public_id).with_for_update())).one()

    async def _ensure(self, public_id: str, opened_at: datetime) -> None:
        # In a transaction of its own: MariaDB's INSERT IGNORE of a row that exists leaves a shared lock, and two
        # that hold it would both wait for the exclusive one.
        if await self.find(public_id) is not None:
            return
        values = {"tenant_id": self.tenant_id, "public_id": public_id, "state": "open", "pieces": {}, "live": ""}
        async with self.database.write() as session:
            await insert_new(session, Stream, values | {"opened_at": opened_at})

    def _one(self, public_id: str) -> Select[Stream]:
        return select(Stream).where(*self._is(public_id))

    def _is(self, public_id: str) -> tuple[Any, ...]:
        return Stream.tenant_id == self.tenant_id, Stream.public_id == public_id


def _carried(pieces: tuple[Piece, ...], by: str, once: Callable[[Piece], bool]) -> tuple[Piece, ...]:
    at = next((n for n, piece in enumerate(pieces) if not piece.shown and once(piece)), None)
    if at is None:
        return pieces
    return (*pieces[:at], replace(pieces[at], shown=by), *pieces[at + 1 :])


def _belongs(key: str, live_key: str) -> bool:
    """Whether the piece of this key is the text that was being written: a part's key, or that of its first piece."""
    return bool(live_key) and (key == live_key or key.startswith(f"{live_key}:"))


def _packed(pieces: tuple[Piece, ...]) -> dict[str, Any]:
    # With their places: MySQL sorts the keys of a JSON object.
    return {
        piece.key: {"at": at, "payload": piece.payload, "way": piece.way, "shown": piece.shown}
        for at, piece in enumerate(pieces)
    }


def _view(row: Stream) -> StreamView:
    placed = sorted(row.pieces.items(), key=lambda item: int(item[1]["at"]))
    pieces = tuple(Piece(key, one["payload"], one["way"], one["shown"]) for key, one in placed)
    live_key, _, live = row.live.partition("\n")
    return StreamView(row.public_id, row.state, pieces, live_key, live, row.opened_at, row.asked_at)
