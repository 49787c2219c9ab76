"""Inbox rows: received once, claimed by lease, finished in the transaction that queues the answer.

    receive ─→ new ─→ claim ─→ working ─→ finish ─→ done
                ↑                 │
                └── put_back ←────┤ (five times)
                                  └─→ dead, with its reason

A worker that dies leaves a lease that runs out; the next claim takes the row. A worker that was only slow lengthens
its lease; one that was stopped for longer finds, when it finishes, that it no longer owns the row, and its answer
is thrown away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.claim import LEASE, Wanted, change_owned, renew, take
from db.engine import Database
from db.models import Inbox

MAX_ATTEMPTS = 5
# Once may be chance: a process that was killed. Twice makes a row a suspect.
SUSPECT_ATTEMPTS = 2
ERROR_CHARS = 500
COLUMNS = (
    "tenant_id",
    "platform",
    "dedupe_key",
    "conversation_key",
    "update",
    "received_at",
)


class NotKept(Exception):
    """The database passed a row over that it does not have: it will not take it later either."""


class LeaseLost(Exception):
    """Another worker has taken the row over; nothing this worker did for it may be kept."""


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update to be committed, as JSON text; `dedupe_key` is what the platform says identifies a delivery."""

    tenant_id: int
    platform: str
    dedupe_key: str
    conversation_key: str
    update: str
    received_at: datetime

    def as_values(self) -> tuple[Any, ...]:
        """Return the values of `COLUMNS` of a new row, as both engines' drivers take them."""
        moment = self.received_at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        return self.tenant_id, self.platform, self.dedupe_key, self.conversation_key, self.update, moment

    @property
    def key(self) -> tuple[int, str, str]:
        """What makes the row unique."""
        return self.tenant_id, self.platform, self.dedupe_key


@dataclass(frozen=True, slots=True)
class ClaimedUpdate:
    """An inbox row in this worker's hands."""

    id: int
    tenant_id: int
    update: dict[str, Any]
    attempts: int
    received_at: datetime

    @property
    def worn_out(self) -> bool:
        """Whether every attempt allowed has been made without an end: those workers died, or were stopped."""
        return self.attempts > MAX_ATTEMPTS


async def receive_many(database: Database, updates: Sequence[NewUpdate]) -> list[bool]:
    """Commit updates in one statement; tell for each whether it is new, False for one that was seen before.

    `NotKept` when the database passed over a row for another reason than its key.
    """
    sql = _insert(database.is_sqlite, len(updates))
    values = tuple(chain.from_iterable(update.as_values() for update in updates))
    count = await database.write_at_once(sql, values)
    if count == len(updates):
        return [True] * len(updates)
    async with database.read() as session:
        return await _which_are_new(session, updates, count)


@lru_cache(maxsize=512)
def _insert(sqlite: bool, rows: int) -> str:
    """Return an INSERT of that many rows that passes over those whose key exists.

    Written out, because SQLAlchemy would compile it anew for every batch.
    """
    quote, mark, ignore = ('"', "?", "OR IGNORE") if sqlite else ("`", "%s", "IGNORE")
    columns = ", ".join(f"{quote}{name}{quote}" for name in (*COLUMNS, "status", "attempts"))
    row = f"({', '.join([mark] * len(COLUMNS))}, 'new', 0)"
    return f"INSERT {ignore} INTO inbox ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own words


async def _which_are_new(session: AsyncSession, updates: Sequence[NewUpdate], count: int) -> list[bool]:
    """Tell which of the updates made the row of their key: it bears their moment, and the first of equals made it."""
    columns = (Inbox.tenant_id, Inbox.platform, Inbox.dedupe_key)
    query = select(*columns, Inbox.received_at).where(tuple_(*columns).in_([update.key for update in updates]))
    there = {(row.tenant_id, row.platform, row.dedupe_key): row.received_at for row in await session.execute(query)}
    if missing := {update.key for update in updates} - there.keys():
        raise NotKept(f"{len(missing)} rows were not taken")
    news = []
    for update in updates:
        new = count > 0 and there.get(update.key) == update.received_at
        news.append(new)
        if new:
            there[update.key] = None
    return news


def _claimable(now: datetime, *, suspect: bool) -> ColumnElement[bool]:
    """A new row whose pause is over, or one whose worker's lease ran out, with nothing older of its conversation."""
    older = aliased(Inbox)
    left = and_(Inbox.status == "working", Inbox.lease_until <= now)
    if suspect:
        ready = and_(left, Inbox.attempts >= SUSPECT_ATTEMPTS)
    else:
        new = and_(Inbox.status == "new", or_(Inbox.lease_until.is_(None), Inbox.lease_until <= now))
        ready = or_(new, and_(left, Inbox.attempts < SUSPECT_ATTEMPTS))
    waits = exists().where(
        older.tenant_id == Inbox.tenant_id,
        older.platform == Inbox.platform,
        older.conversation_key == Inbox.conversation_key,
        older.status.in_(("new", "working")),
        older.id < Inbox.id,
    )
    return and_(ready, ~waits)


async def claim(
    database: Database,
    owner: str,
    now: datetime,
    limit: int = 8,
    *,
    busy: Collection[int] = (),
    lease: timedelta = LEASE,
) -> list[ClaimedUpdate]:
    """Take up to `limit` rows, oldest first, at most one of each conversation; no suspects.

    `busy` are rows this process is still working on: while the database was gone their leases may have run out.
    """
    free = and_(_claimable(now, suspect=False), Inbox.id.not_in(busy))
    wanted = Wanted(free, (Inbox.id,), limit, "working", owner, now + lease)
    return [_claimed(row) for row in await take(database, Inbox, wanted)]


async def claim_suspect(
    database: Database, owner: str, now: datetime, *, busy: Collection[int] = (), lease: timedelta = LEASE
) -> list[ClaimedUpdate]:
    """Take the oldest row that several workers have left unfinished by dying; none where there is no such row.

    One of those may be what they died of. Worked on one at a time, it takes none of the others with it again.
    """
    free = and_(_claimable(now, suspect=True), Inbox.id.not_in(busy))
    wanted = Wanted(free, (Inbox.id,), 1, "working", owner, now + lease)
    return [_claimed(row) for row in await take(database, Inbox, wanted)]


def _claimed(row: Inbox) -> ClaimedUpdate:
    return ClaimedUpdate(row.id, row.tenant_id, row.update, row.attempts + 1, row.received_at)


async def keep(database: Database, ids: Iterable[int], owner: str, now: datetime, lease: timedelta = LEASE) -> None:
    """Lengthen the leases of rows that are being worked on."""
    await renew(database, Inbox, ids, status="working", owner=owner, until=now + lease)


async def finish(
    session: AsyncSession, row: ClaimedUpdate, owner: str, now: datetime, *, error: str | None = None
) -> None:
    """Mark the row done (dead when there is an error) in the caller's transaction; `LeaseLost` when it is not ours."""
    status = "dead" if error else "done"
    values = {"status": status, "finished_at": now, "lease_until": None, "error": error and error[:ERROR_CHARS]}
    await _change(session, row, owner, values)


async def put_back(
    database: Database, row: ClaimedUpdate, owner: str, now: datetime, error: str | None, pause: timedelta
) -> None:
    """Return the row for another attempt after `pause`, with the reason of this one.

    Without an error it was set free, because this process stops: that costs no attempt.
    """
    reason = error and error[:ERROR_CHARS]
    values: dict[str, Any] = {"status": "new", "owner": None, "lease_until": now + pause, "error": reason}
    if error is None:
        values["attempts"] = row.attempts - 1
    async with database.write() as session:
        await _change(session, row, owner, values)


async def _change(session: AsyncSession, row: ClaimedUpdate, owner: str, values: dict[str, Any]) -> None:
    fence = (
        Inbox.id == row.id,
        Inbox.owner == owner,
        Inbox.attempts == row.attempts,
        Inbox.status == "working",
    )
    if not await change_owned(session, Inbox, fence, values):
        raise LeaseLost(f"inbox row {row.id} is no longer ours")
