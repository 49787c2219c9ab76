"""Outbox rows: what we owe a platform, sent in order within a conversation, with the outcome on the row.

    queued ─→ claim ─→ sending ─→ sent | failed | unknown
       ↑                  │
       └──── retry ←──────┘            expired: not sent before its time was over

A row found in `sending` with a lease that ran out belongs to a process that died while sending: whether it
arrived is not known. The deliverer repeats it only where the platform makes that safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.engine import Database
from db.insert_new import insert_new
from db.models import Outbox

LEASE = timedelta(seconds=60)
UNFINISHED = ("queued", "sending")
ERROR_CHARS = 500


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to queue. A push names store, staff and due date; a reply is unique by `dedupe_key` alone."""

    tenant_id: int
    platform: str
    kind: str
    dedupe_key: str
    conversation_key: str
    address: dict[str, Any]
    message: dict[str, Any]
    card_id: int | None = None
    inbox_id: int | None = None
    store_id: int | None = None
    staff_id: int | None = None
    due_date: date | None = None
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """An outbox row in this deliverer's hands; `interrupted` means that an earlier send may have gone out."""

    id: int
    tenant_id: int
    platform: str
    kind: str
    dedupe_key: str
    address: dict[str, Any]
    message: dict[str, Any]
    card_id: int | None
    attempts: int
    interrupted: bool
    pieces_sent: int
    expire_at: datetime | None
    created_at: datetime


async def queue(session: AsyncSession, message: NewMessage, now: datetime) -> int | None:
    """Add the row in the caller's transaction and return its id; None when a unique key says it is there."""
    values = {name: getattr(message, name) for name in NewMessage.__slots__}
    return await insert_new(session, Outbox, values | {"not_before": now, "created_at": now})


async def claim(database: Database, owner: str, now: datetime, limit: int = 16) -> list[ClaimedMessage]:
    """Take up to `limit` rows that are due: replies before pushes, one at a time of each conversation."""
    older = aliased(Outbox)
    waits = exists().where(
        older.tenant_id == Outbox.tenant_id,
        older.platform == Outbox.platform,
        older.conversation_key == Outbox.conversation_key,
        older.status.in_(UNFINISHED),
        older.id < Outbox.id,
    )
    due = or_(
        and_(Outbox.status == "queued", Outbox.not_before <= now),
        and_(Outbox.status == "sending", Outbox.lease_until <= now),
    )
    chosen = select(Outbox).where(due, ~waits).order_by(Outbox.inbox_id.is_(None), Outbox.id).limit(limit)
    async with database.read() as session:
        found = (await session.scalars(chosen)).all()
    if not found:
        return []
    async with database.write() as session:
        return [_claimed(row) for row in found if await _take(session, row, owner, now)]


async def _take(session: AsyncSession, row: Outbox, owner: str, now: datetime) -> bool:
    statement = (
        update(Outbox)
        .where(Outbox.id == row.id, Outbox.status == row.status, Outbox.attempts == row.attempts)
        .values(status="sending", owner=owner, lease_until=now + LEASE, attempts=row.attempts + 1)
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    return result.rowcount == 1


def _claimed(row: Outbox) -> ClaimedMessage:
    return ClaimedMessage(
        id=row.id,
        tenant_id=row.tenant_id,
        platform=row.platform,
        kind=row.kind,
        dedupe_key=row.dedupe_key,
        address=row.address,
        message=row.message,
        card_id=row.card_id,
        attempts=row.attempts + 1,
        interrupted=row.status == "sending",
        pieces_sent=row.pieces_sent,
        expire_at=row.expire_at,
        created_at=row.created_at,
    )


async def settle(session: AsyncSession, row_id: int, owner: str, status: str, now: datetime, **values: Any) -> bool:
    """Write how the send ended (`sent`, `failed`, `unknown`, `expired`); False when the row is no longer ours."""
    if status == "sent":
        values["sent_at"] = now
    return await _update_owned(session, row_id, owner, {"status": status, "lease_until": None, **values})


async def retry(
    session: AsyncSession, row_id: int, owner: str, not_before: datetime, reason: str, pieces_sent: int = 0
) -> bool:
    """Queue the row again for `not_before`, what is left of it; False when it is no longer ours."""
    values = {"status": "queued", "owner": None, "lease_until": None, "not_before": not_before}
    return await _update_owned(session, row_id, owner, values | {"error": reason, "pieces_sent": pieces_sent})


async def _update_owned(session: AsyncSession, row_id: int, owner: str, values: dict[str, Any]) -> bool:
    if values.get("error"):
        values["error"] = values["error"][:ERROR_CHARS]
    statement = (
        update(Outbox).where(Outbox.id == row_id, Outbox.owner == owner, Outbox.status == "sending").values(**values)
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    return result.rowcount == 1
