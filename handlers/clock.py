"""Business time: now in the zone of a person's store, with today pinned where the data is a seeded demo."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Store
from handlers.turn import Person

DEFAULT_ZONE = "Asia/Shanghai"


def business_now(real_now: datetime, zone: str, pinned: date | None) -> datetime:
    """Return `real_now` in `zone`; when a day is pinned, that day at the same time of day."""
    local = real_now.astimezone(ZoneInfo(zone))
    if pinned is None:
        return local
    return local.replace(year=pinned.year, month=pinned.month, day=pinned.day)


async def zone_of(session: AsyncSession, person: Person) -> str:
    """Return the zone of the person's first store."""
    if not person.store_ids:
        return DEFAULT_ZONE
    return await session.scalar(select(Store.timezone).where(Store.id == person.store_ids[0])) or DEFAULT_ZONE
