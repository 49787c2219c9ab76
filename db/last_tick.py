"""When the schedule was last looked at, by whichever process: what tells a push that was missed from one not needed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select, update

from db.engine import Database
from db.insert_new import insert_all_new
from db.models import Lease

# The row of `leases` that keeps it: its `until` is the moment of the last look.
NAME = "schedule.tick"


async def swap_last_tick(database: Database, owner: str, now: datetime) -> datetime | None:
    """Note a look at this moment and return when the one before was.

    None when there was none, and for whoever of two that look at once comes second.
    """
    async with database.write() as session:
        last = await session.scalar(select(Lease.until).where(Lease.name == NAME))
        values = {"owner": owner, "until": now}
        if last is None:
            await insert_all_new(session, Lease, [values | {"name": NAME}])
            return None
        swapped: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
            update(Lease).where(Lease.name == NAME, Lease.until == last).values(**values)
        )
        return last if swapped.rowcount == 1 else None
