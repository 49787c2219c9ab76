"""Leases: what only one process may do at a time, such as holding a socket the platform allows once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, or_, select, update

from db.engine import Database
from db.insert_new import insert_all_new
from db.models import Lease


async def hold(database: Database, name: str, owner: str, now: datetime, length: timedelta) -> bool:
    """Take the lease or prolong it; False while somebody else holds it."""
    values = {"owner": owner, "until": now + length}
    free = or_(Lease.owner == owner, Lease.until <= now)
    async with database.write() as session:
        result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
            update(Lease).where(Lease.name == name, free).values(**values)
        )
        return result.rowcount == 1 or await insert_all_new(session, Lease, [values | {"name": name}]) == 1


async def give_up(database: Database, name: str, owner: str, now: datetime) -> None:
    """Let the next process take the lease at once."""
    async with database.write() as session:
        await session.execute(update(Lease).where(Lease.name == name, Lease.owner == owner).values(until=now))


async def holder(database: Database, name: str, now: datetime) -> str | None:
    """Return who holds the lease now."""
    async with database.read() as session:
        return await session.scalar(select(Lease.owner).where(Lease.name == name, Lease.until > now))
