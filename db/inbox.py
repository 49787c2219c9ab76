"""Inbox rows: received once, claimed by lease, finished in the transaction that queues the answer.

    receive ─→ new ─→ claim ─→ working ─→ finish ─→ done
                ↑                 │
                └── put_back ←────┤ (five times)
                                  └─→ dead, with its reason

A worker that dies leaves a lease that runs out; the next claim takes the row. A worker that was only slow finds,
when it finishes, that it no longer owns the row, and its answer is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.engine import Database
from db.insert_new import insert_new
from db.models import Inbox

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
ERROR_CHARS = 500


class LeaseLost(Exception):
    """Another worker has taken the row over; nothing this worker did for it may be kept."""


@dataclass(frozen=True, slots=True)
class ClaimedUpdate:
    """An inbox row in this worker's hands."""

    id: int
    tenant_id: int
    update: dict[str, Any]
    attempts: int
    received_at: datetime


async def receive(
    database: Database,
    *,
    tenant_id: int,
    platform: str,
    dedupe_key: str,
    conversation_key: str,
    update: dict[str, Any],
    now: datetime,
) -> bool:
    """Commit one update; True when it is new, False when this delivery was seen before."""
    values = {
        "tenant_id": tenant_id,
        "platform": platform,
        "dedupe_key": dedupe_key,
        "conversation_key": conversation_key,
        "update": update,
        "received_at": now,
    }
    async with database.write() as session:
        return await insert_new(session, Inbox, values) is not None


def _claimable(now: datetime) -> ColumnElement[bool]:
    """A new row whose pause is over, or one whose worker's lease ran out, with nothing older of its conversation."""
    older = aliased(Inbox)
    ready = or_(
        and_(Inbox.status == "new", or_(Inbox.lease_until.is_(None), Inbox.lease_until <= now)),
        and_(Inbox.status == "working", Inbox.lease_until <= now),
    )
    waits = exists().where(
        older.tenant_id == Inbox.tenant_id,
        older.platform == Inbox.platform,
        older.conversation_key == Inbox.conversation_key,
        older.status.in_(("new", "working")),
        older.id < Inbox.id,
    )
    return and_(ready, ~waits)


async def claim(database: Database, owner: str, now: datetime, limit: int = 8) -> list[ClaimedUpdate]:
    """Take up to `limit` rows, oldest first, at most one of each conversation."""
    async with database.read() as session:
        found = (await session.scalars(select(Inbox).where(_claimable(now)).order_by(Inbox.id).limit(limit))).all()
    if not found:
        return []
    async with database.write() as session:
        return [_claimed(row) for row in found if await _take(session, row, owner, now)]


async def _take(session: AsyncSession, row: Inbox, owner: str, now: datetime) -> bool:
    """Set our lease on the row unless somebody changed it since it was read (no SKIP LOCKED needed)."""
    statement = (
        update(Inbox)
        .where(Inbox.id == row.id, Inbox.status == row.status, Inbox.attempts == row.attempts)
        .values(status="working", owner=owner, lease_until=now + LEASE, attempts=row.attempts + 1)
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    return result.rowcount == 1


def _claimed(row: Inbox) -> ClaimedUpdate:
    return ClaimedUpdate(row.id, row.tenant_id, row.update, row.attempts + 1, row.received_at)


async def finish(session: AsyncSession, row_id: int, owner: str, now: datetime, *, error: str | None = None) -> None:
    """Mark the row done (dead when there is an error) in the caller's transaction; `LeaseLost` when it is not ours."""
    status = "dead" if error else "done"
    values = {"status": status, "finished_at": now, "lease_until": None, "error": error and error[:ERROR_CHARS]}
    await _update_owned(session, row_id, owner, values)


async def put_back(database: Database, row_id: int, owner: str, now: datetime, error: str, pause: timedelta) -> None:
    """Return the row for another attempt after `pause`, with the reason of this one."""
    values = {"status": "new", "owner": None, "lease_until": now + pause, "error": error[:ERROR_CHARS]}
    async with database.write() as session:
        await _update_owned(session, row_id, owner, values)


async def _update_owned(session: AsyncSession, row_id: int, owner: str, values: dict[str, Any]) -> None:
    statement = (
        update(Inbox).where(Inbox.id == row_id, Inbox.owner == owner, Inbox.status == "working").values(**values)
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    if result.rowcount != 1:
        raise LeaseLost(f"inbox row {row_id} is no longer ours")
