"""How a worker takes rows that other workers want too.

First a plain look, which costs nobody anything and mostly finds nothing. What it found is then locked and taken in
one transaction: on MySQL and MariaDB rows that somebody else is just taking are passed over (SKIP LOCKED), on
SQLite the one write transaction is lock enough. Whoever takes a row becomes its `owner` and counts its `attempts`
up; both together are the fence that every later write must pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.models import Inbox, Outbox

Row = TypeVar("Row", Inbox, Outbox)

LEASE = timedelta(seconds=60)
# How often a lease is lengthened within its length: it ends when its worker is gone, not when the work is long.
RENEWALS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows may be taken, in which order, how many, and what they become."""

    where: ColumnElement[bool]
    order: tuple[Any, ...]
    limit: int
    status: str
    owner: str
    until: datetime


async def take(database: Database, model: type[Row], wanted: Wanted) -> list[Row]:
    """Take rows and return them as they were found: status and attempts are those from before."""
    look = select(model.id).where(wanted.where).order_by(*wanted.order).limit(wanted.limit)
    async with database.read() as session:
        ids = list((await session.scalars(look)).all())
    if not ids:
        return []
    still_free = select(model).where(model.id.in_(ids), wanted.where).with_for_update(skip_locked=True)
    async with database.write() as session:
        rows = list((await session.scalars(still_free)).all())
        session.expunge_all()
        values = {"status": wanted.status, "owner": wanted.owner, "lease_until": wanted.until}
        taken = update(model).where(model.id.in_([row.id for row in rows]))
        await session.execute(taken.values(attempts=model.attempts + 1, **values))
    return sorted(rows, key=lambda row: ids.index(row.id))


async def renew(
    database: Database, model: type[Row], ids: Iterable[int], *, status: str, owner: str, until: datetime
) -> None:
    """Lengthen the leases of rows in work that are still ours."""
    mine = (model.id.in_(list(ids)), model.owner == owner, model.status == status)
    async with database.write() as session:
        await session.execute(update(model).where(*mine).values(lease_until=until))


async def change_owned(
    session: AsyncSession, model: type[Row], fence: Sequence[ColumnElement[bool]], values: dict[str, Any]
) -> bool:
    """Change one row that passes the fence; False when somebody else has it now."""
    result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        update(model).where(*fence).values(**values)
    )
    return result.rowcount == 1
