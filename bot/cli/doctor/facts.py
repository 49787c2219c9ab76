"""What the database knows that the checks need, read once: one short visit, whatever it then says of each channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.platforms.dingtalk.decode import OUTSIDER
from db.engine import Database
from db.models import (
    AccessTokenRow,
    CallbackCheck,
    Inbox,
    KbDocument,
    Lease,
    Outbox,
    Staff,
    StaffIdentity,
    Tenant,
    Usage,
)
from handlers.messages import OVER_QUOTA, STALE

RECENT_UPDATES = 50
# What is picked up at once where somebody works.
LEFT_LYING = timedelta(minutes=5)
GROUP_CHANNELS = ("wecom_group", "dingtalk_group")
ENDED = ("sent", "failed", "unknown")


@dataclass(frozen=True, slots=True)
class Reached:
    """When a channel was last reached by its platform, and when somebody was last turned away, and why."""

    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    reason: str = ""


NEVER_REACHED = Reached()


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody's account on a platform."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Sent:
    """How the last message to a group ended."""

    status: str
    at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Of the newest updates of a channel: how many there are, how many of them from nobody we could name, or late."""

    recent: int = 0
    outsiders: int = 0
    stale: int = 0
    over_quota: int = 0


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """What is known of one chain; `bound` and `reached` by platform and channel, `used` this month's counts."""

    tenant_id: int
    staff: int
    bound: Mapping[str, Sequence[Colleague]]
    reached: Mapping[str, Reached]
    used: Mapping[tuple[str, str], int]
    groups: Mapping[tuple[str, str], Sent]
    dingtalk: Arrivals
    documents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rows:
    """How many messages lie in which state; `waiting` and `unsent` are those nobody has picked up for minutes."""

    dead: int
    failed: int
    unknown: int
    waiting: int
    unsent: int


@dataclass(frozen=True, slots=True)
class LeaseFact:
    """Who holds a lease, and until when by the clock of the database."""

    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything, by the key of the tenant; `now` is the database's moment."""

    now: datetime
    tenants: Mapping[str, TenantFacts]
    rows: Rows
    leases: Mapping[str, LeaseFact]
    sealed: Sequence[bytes]


async def read_facts(database: Database, now: datetime, month: str) -> Facts:
    """Return what the tables say; they must be at the newest revision."""
    async with database.read() as session:
        tenants = (await session.scalars(select(Tenant).order_by(Tenant.id))).all()
        return Facts(
            now=now,
            tenants={tenant.key: await _tenant(session, tenant.id, month) for tenant in tenants},
            rows=await _rows(session, now),
            leases={one.name: LeaseFact(one.owner, one.until) for one in await session.scalars(select(Lease))},
            sealed=[one for one in await session.scalars(select(AccessTokenRow.sealed)) if one],
        )


async def _tenant(session: AsyncSession, tenant_id: int, month: str) -> TenantFacts:
    return TenantFacts(
        tenant_id=tenant_id,
        staff=await _count(session, Staff.id, Staff.tenant_id == tenant_id, Staff.active),
        bound=await _bound(session, tenant_id),
        reached=await _reached(session, tenant_id),
        used=await _used(session, tenant_id, month),
        groups=await _groups(session, tenant_id),
        dingtalk=await _arrivals(session, tenant_id, "dingtalk"),
        documents=await _documents(session, tenant_id),
    )


async def _bound(session: AsyncSession, tenant_id: int) -> dict[str, list[Colleague]]:
    query = (
        select(StaffIdentity.platform, StaffIdentity.user_id, Staff.name)
        .join(Staff, Staff.id == StaffIdentity.staff_id)
        .where(StaffIdentity.tenant_id == tenant_id, Staff.active)
        .order_by(StaffIdentity.id)
    )
    bound: dict[str, list[Colleague]] = {}
    for platform, user_id, name in await session.execute(query):
        bound.setdefault(platform, []).append(Colleague(user_id, name))
    return bound


async def _reached(session: AsyncSession, tenant_id: int) -> dict[str, Reached]:
    rows = await session.scalars(select(CallbackCheck).where(CallbackCheck.tenant_id == tenant_id))
    return {row.channel: Reached(row.accepted_at, row.rejected_at, row.reason or "") for row in rows}


async def _used(session: AsyncSession, tenant_id: int, month: str) -> dict[tuple[str, str], int]:
    query = select(Usage.platform, Usage.what, Usage.count).where(Usage.tenant_id == tenant_id, Usage.month == month)
    return {(platform, what): count for platform, what, count in await session.execute(query)}


async def _groups(session: AsyncSession, tenant_id: int) -> dict[tuple[str, str], Sent]:
    """Return how the newest message to each group ended."""
    last = (
        select(func.max(Outbox.id))
        .where(Outbox.tenant_id == tenant_id, Outbox.platform.in_(GROUP_CHANNELS), Outbox.status.in_(ENDED))
        .group_by(Outbox.platform, Outbox.conversation_key)
        .subquery()
    )
    rows = await session.scalars(select(Outbox).where(Outbox.id.in_(select(last))))
    return {
        (row.platform, row.conversation_key): Sent(row.status, row.sent_at or row.created_at, row.error or "")
        for row in rows
    }


async def _arrivals(session: AsyncSession, tenant_id: int, platform: str) -> Arrivals:
    query = (
        select(Inbox.update)
        .where(Inbox.tenant_id == tenant_id, Inbox.platform == platform)
        .order_by(Inbox.id.desc())
        .limit(RECENT_UPDATES)
    )
    notes = Counter(_note(update) for update in await session.scalars(query))
    return Arrivals(notes.total(), notes[OUTSIDER], notes[STALE], notes[OVER_QUOTA])


def _note(update: Any) -> str:
    return str(update.get("note") or "") if isinstance(update, dict) else ""


async def _documents(session: AsyncSession, tenant_id: int) -> dict[str, int]:
    query = select(KbDocument.embedder, func.count()).where(KbDocument.tenant_id == tenant_id)
    rows = await session.execute(query.group_by(KbDocument.embedder))
    return {row.embedder: row[1] for row in rows}


async def _rows(session: AsyncSession, now: datetime) -> Rows:
    before = now - LEFT_LYING
    due = or_(Outbox.not_before.is_(None), Outbox.not_before < before)
    return Rows(
        dead=await _count(session, Inbox.id, Inbox.status == "dead"),
        failed=await _count(session, Outbox.id, Outbox.status == "failed"),
        unknown=await _count(session, Outbox.id, Outbox.status == "unknown"),
        waiting=await _count(session, Inbox.id, Inbox.status == "new", Inbox.received_at < before),
        unsent=await _count(session, Outbox.id, Outbox.status == "queued", Outbox.created_at < before, due),
    )


async def _count(session: AsyncSession, column: Any, *where: Any) -> int:
    return await session.scalar(select(func.count(column)).where(*where)) or 0
