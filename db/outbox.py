"""Outbox rows: what we owe a platform, sent in order within a conversation, with the outcome on the row.

    queued ─→ claim ─→ sending ─→ sent | failed | unknown
       ↑                  │
       └──── retry ←──────┘            expired: not sent before its time was over

A row found in `sending` with a lease that ran out belongs to a process that died while sending: whether it
arrived is not known. The deliverer repeats it only where the platform makes that safe.

Replies go before pushes, and do not wait for them either: the order within a conversation is kept among replies
and among pushes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.claim import LEASE, Wanted, change_owned, renew, take
from db.engine import Database
from db.insert_new import insert_new
from db.models import Outbox

UNFINISHED = ("queued", "sending")
ERROR_CHARS = 500
LOOKED_AT = 100


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
    not_before: datetime | None = None
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """An outbox row in this deliverer's hands; `interrupted` means that an earlier send may have gone out."""

    id: int
    tenant_id: int
    platform: str
    kind: str
    dedupe_key: str
    conversation_key: str
    address: dict[str, Any]
    message: dict[str, Any]
    card_id: int | None
    is_push: bool
    attempts: int
    interrupted: bool
    pieces_sent: int
    expire_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What a person has been sent: the neutral message, and what travelled."""

    dedupe_key: str
    conversation_key: str
    message: dict[str, Any]
    payloads: list[Any]


async def queue(session: AsyncSession, message: NewMessage, now: datetime) -> int | None:
    """Add the row in the caller's transaction and return its id; None when a unique key says it is there."""
    values = {name: getattr(message, name) for name in NewMessage.__slots__}
    return await insert_new(session, Outbox, values | {"created_at": now})


async def claim(
    database: Database,
    owner: str,
    now: datetime,
    limit: int = 16,
    *,
    busy: Collection[int] = (),
    closed: Collection[tuple[int, str]] = (),
    lease: timedelta = LEASE,
) -> list[ClaimedMessage]:
    """Take up to `limit` rows that are due: replies before pushes, one at a time of each conversation.

    `closed` are the channels, by tenant id and name, that cannot send from this process now; `busy` are rows it is
    still sending: while the database was gone their leases may have run out, and it knows best how they end.
    """
    order = (Outbox.inbox_id.is_(None), Outbox.id)
    wanted = Wanted(and_(_claimable(now, closed), Outbox.id.not_in(busy)), order, limit, "sending", owner, now + lease)
    return [_claimed(row) for row in await take(database, Outbox, wanted)]


def _claimable(now: datetime, closed: Collection[tuple[int, str]]) -> ColumnElement[bool]:
    older = aliased(Outbox)
    waits = exists().where(
        older.tenant_id == Outbox.tenant_id,
        older.platform == Outbox.platform,
        older.conversation_key == Outbox.conversation_key,
        older.inbox_id.is_(None) == Outbox.inbox_id.is_(None),
        older.status.in_(UNFINISHED),
        older.id < Outbox.id,
    )
    due = or_(
        and_(Outbox.status == "queued", or_(Outbox.not_before.is_(None), Outbox.not_before <= now)),
        and_(Outbox.status == "sending", Outbox.lease_until <= now),
    )
    open_ones = [tuple_(Outbox.tenant_id, Outbox.platform).not_in(list(closed))] if closed else []
    return and_(due, ~waits, *open_ones)


def _claimed(row: Outbox) -> ClaimedMessage:
    return ClaimedMessage(
        id=row.id,
        tenant_id=row.tenant_id,
        platform=row.platform,
        kind=row.kind,
        dedupe_key=row.dedupe_key,
        conversation_key=row.conversation_key,
        address=row.address,
        message=row.message,
        card_id=row.card_id,
        is_push=row.inbox_id is None,
        attempts=row.attempts + 1,
        interrupted=row.status == "sending",
        pieces_sent=row.pieces_sent,
        expire_at=row.expire_at,
        created_at=row.created_at,
    )


async def sent_lately(
    database: Database, tenant_id: int, platform: str, conversations: Collection[str], since: datetime
) -> list[SentMessage]:
    """Return what was sent into these conversations since then, newest first; at most a hundred of each."""
    columns = (Outbox.dedupe_key, Outbox.conversation_key, Outbox.message, Outbox.payloads)
    query = select(*columns).where(
        Outbox.tenant_id == tenant_id,
        Outbox.platform == platform,
        Outbox.conversation_key.in_(conversations),
        Outbox.status == "sent",
        Outbox.sent_at >= since,
    )
    limit = LOOKED_AT * len(conversations)
    async with database.read() as session:
        rows = await session.execute(query.order_by(Outbox.id.desc()).limit(limit))
        return [SentMessage(key, chat, message, payloads or []) for key, chat, message, payloads in rows]


async def keep(database: Database, ids: Iterable[int], owner: str, now: datetime, lease: timedelta = LEASE) -> None:
    """Lengthen the leases of rows that are being sent."""
    await renew(database, Outbox, ids, status="sending", owner=owner, until=now + lease)


async def settle(
    session: AsyncSession, row: ClaimedMessage, owner: str, status: str, now: datetime, **values: Any
) -> bool:
    """Write how the send ended (`sent`, `failed`, `unknown`, `expired`); False when the row is no longer ours."""
    if status == "sent":
        values["sent_at"] = now
    return await _change(session, row, owner, {"status": status, "lease_until": None, **values})


async def retry(
    session: AsyncSession,
    row: ClaimedMessage,
    owner: str,
    not_before: datetime,
    reason: str | None,
    *,
    pieces_sent: int = 0,
    free: bool = False,
) -> bool:
    """Queue the row again for `not_before`, what is left of it; False when it is no longer ours.

    `free` is a wait that was nobody's failure: it costs no attempt.
    """
    values: dict[str, Any] = {"status": "queued", "owner": None, "lease_until": None, "not_before": not_before}
    if free:
        values["attempts"] = row.attempts - 1
    return await _change(session, row, owner, values | {"error": reason, "pieces_sent": pieces_sent})


async def _change(session: AsyncSession, row: ClaimedMessage, owner: str, values: dict[str, Any]) -> bool:
    if values.get("error"):
        values["error"] = values["error"][:ERROR_CHARS]
    fence = (
        Outbox.id == row.id,
        Outbox.owner == owner,
        Outbox.attempts == row.attempts,
        Outbox.status == "sending",
    )
    return await change_owned(session, Outbox, fence, values)
