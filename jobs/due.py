"""What is due: schedules, each store's zone and the clock make slots; nothing remembers when it last ran.

A slot is due while send_at <= now < expire_at. Whoever asks within that time gets it, any number of times and in
any number of processes: the unique key of the outbox row decides what is queued. A server that was down at eight
sends late within the grace and not at all after it; `missed_slots` names what nobody looked at in time.

Seeded data: where a tenant's today is pinned (`tenants.demo_as_of`), the time of day is still the real clock's, but
the slot bears the pinned date. A demo server that runs past eight o'clock therefore pushes once for that date, and
on the following mornings finds the rows already there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Schedule, Store, Tenant

log = structlog.get_logger()

PushKind = Literal["morning", "evening"]
KINDS: tuple[PushKind, ...] = ("morning", "evening")
DEFAULT_TIMES: Mapping[PushKind, str] = {"morning": "08:00", "evening": "18:00"}
DEFAULT_GRACE = timedelta(hours=2)
LONGEST_LOOK_BACK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
# The widest gap there was: Samoa skipped a whole day in 2011.
WIDEST_GAP = 24 * 60 + 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One push of one store that is due now; `due_date` is the store's own date, the moments are UTC."""

    tenant_id: int
    store_id: int
    kind: PushKind
    due_date: date
    send_at: datetime
    expire_at: datetime


@dataclass(frozen=True, slots=True)
class _Plan:
    at: time
    grace: timedelta
    enabled: bool


async def due_slots(
    session: AsyncSession, now: datetime, default_times: Mapping[PushKind, str] = DEFAULT_TIMES
) -> list[Slot]:
    """Return every slot that is due, in the order of tenant, store and kind.

    A store's own schedule row counts before the chain's, the chain's before the default time; a disabled row
    means that nothing is sent.
    """
    pinned = {t.id: t.demo_as_of for t in (await session.scalars(select(Tenant))).all()}
    plans = await _plans(session)
    stores = (await session.execute(select(Store.tenant_id, Store.id, Store.timezone).order_by(Store.id))).all()
    slots: list[Slot] = []
    for tenant_id, store_id, zone in stores:
        for kind in KINDS:
            plan = _plan_of(plans, tenant_id, store_id, kind, default_times)
            slots += _slots(tenant_id, store_id, kind, plan, zone, now, pinned[tenant_id])
    return sorted(slots, key=lambda slot: (slot.tenant_id, slot.store_id, slot.kind, slot.due_date))


async def missed_slots(
    session: AsyncSession, since: datetime, now: datetime, default_times: Mapping[PushKind, str] = DEFAULT_TIMES
) -> list[Slot]:
    """Return every slot that came and expired while nobody looked, between `since` and `now`; a week of them at most.

    Nothing is sent for them any more: a morning's list at noon helps nobody. A chain whose today is pinned has none.
    """
    plans = await _plans(session)
    stores = await session.execute(
        select(Store.tenant_id, Store.id, Store.timezone)
        .join(Tenant, Store.tenant_id == Tenant.id)
        .where(Tenant.demo_as_of.is_(None))
    )
    slots: list[Slot] = []
    for tenant_id, store_id, zone in stores:
        for kind in KINDS:
            plan = _plan_of(plans, tenant_id, store_id, kind, default_times)
            days = _days(max(since, now - LONGEST_LOOK_BACK), now, zone) if plan.enabled else ()
            slots += [_slot(tenant_id, store_id, kind, plan, zone, day) for day in days]
    return [slot for slot in slots if since < slot.send_at and slot.expire_at <= now]


def _days(first: datetime, last: datetime, zone: str) -> Iterator[date]:
    """Yield a zone's dates from one moment to another."""
    day, end = first.astimezone(ZoneInfo(zone)).date(), last.astimezone(ZoneInfo(zone)).date()
    while day <= end:
        yield day
        day += timedelta(days=1)


def _slot(tenant_id: int, store_id: int, kind: PushKind, plan: _Plan, zone: str, day: date) -> Slot:
    send_at = moment_of(day, plan.at, zone)
    return Slot(tenant_id, store_id, kind, day, send_at, send_at + plan.grace)


async def _plans(session: AsyncSession) -> dict[tuple[int, int | None, str], _Plan]:
    """Return the schedule rows by tenant, store and kind; an unreadable time is logged and sends nothing."""
    plans: dict[tuple[int, int | None, str], _Plan] = {}
    for row in (await session.scalars(select(Schedule).order_by(Schedule.id))).all():
        try:
            at = time.fromisoformat(row.at)
        except ValueError:
            log.error("schedule.unreadable", schedule_id=row.id, tenant_id=row.tenant_id)
            plans[row.tenant_id, row.store_id, row.kind] = _Plan(time(0), timedelta(0), enabled=False)
            continue
        grace = timedelta(minutes=row.grace_minutes)
        plans[row.tenant_id, row.store_id, row.kind] = _Plan(at, grace, row.enabled)
    return plans


def _plan_of(
    plans: Mapping[tuple[int, int | None, str], _Plan],
    tenant_id: int,
    store_id: int,
    kind: PushKind,
    default_times: Mapping[PushKind, str],
) -> _Plan:
    own = plans.get((tenant_id, store_id, kind)) or plans.get((tenant_id, None, kind))
    return own or _Plan(time.fromisoformat(default_times[kind]), DEFAULT_GRACE, enabled=True)


def _slots(
    tenant_id: int, store_id: int, kind: PushKind, plan: _Plan, zone: str, now: datetime, pinned: date | None
) -> Iterator[Slot]:
    """Yield the store's slot of today or, where the grace reaches past midnight, of yesterday."""
    if not plan.enabled:
        return
    today = now.astimezone(ZoneInfo(zone)).date()
    for day in (today - timedelta(days=1), today):
        slot = _slot(tenant_id, store_id, kind, plan, zone, day)
        if slot.send_at <= now < slot.expire_at:
            yield replace(slot, due_date=pinned or day)


def moment_of(day: date, at: time, zone: str) -> datetime:
    """Return a local time of day as a moment in UTC.

    A time that the clock skips becomes the first minute after the gap; of a time that comes twice, the first.
    """
    local = datetime.combine(day, at)
    for _ in range(WIDEST_GAP):
        moment = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
        if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local:
            return moment
        local += MINUTE
    raise ValueError(f"{day} {at} does not come in {zone}")
