"""From when to when there is data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from db.engine import Database
from db.models import Order


@dataclass(frozen=True, slots=True)
class DataSpan:
    """The first and last business day of some stores, and when their newest order came in (UTC)."""

    first_day: date
    last_day: date
    newest: datetime


async def data_span(database: Database, tenant_id: int, store_ids: Sequence[int]) -> DataSpan | None:
    """Return the span of the stores' data, or None when they have none.

    The newest moment is looked for on the last day only: that day is found at the end of an index, where the
    newest of all orders would mean reading every order of the stores.
    """
    own = (Order.tenant_id == tenant_id, Order.store_id.in_(store_ids))
    days = select(func.min(Order.business_date), func.max(Order.business_date)).where(*own)
    async with database.read() as session:
        first, last = (await session.execute(days)).one()
        if first is None or last is None:
            return None
        newest = await session.scalar(select(func.max(Order.created_at)).where(*own, Order.business_date == last))
    return DataSpan(first, last, newest) if newest else None
