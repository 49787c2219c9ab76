"""Counts of calls and updates per account and month, against the quota a platform gives an organisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.insert_new import insert_new
from db.models import Usage

# tenant, platform, what, month
UsageKey = tuple[int, str, str, str]


async def add_usage(database: Database, counts: Mapping[UsageKey, int]) -> None:
    """Add these counts to the rows of their months, in one transaction."""
    async with database.write() as session:
        for key in sorted(counts):
            await _add(session, key, counts[key])


async def _add(session: AsyncSession, key: UsageKey, count: int) -> None:
    names = dict(zip(("tenant_id", "platform", "what", "month"), key, strict=True))
    where = [getattr(Usage, name) == value for name, value in names.items()]
    statement = update(Usage).where(*where).values(count=Usage.count + count)
    for _ in range(2):
        result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
        if result.rowcount or await insert_new(session, Usage, names | {"count": count}) is not None:
            return


async def used(database: Database, tenant_id: int, platform: str, what: str, month: str) -> int:
    """Return the count of one month."""
    query = select(Usage.count).where(
        Usage.tenant_id == tenant_id, Usage.platform == platform, Usage.what == what, Usage.month == month
    )
    async with database.read() as session:
        return await session.scalar(query) or 0
