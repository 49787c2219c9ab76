"""The chain's stores as questions name them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.models import Store


@dataclass(frozen=True, slots=True)
class StoreRef:
    """A store: what a filter, a scope and a sentence need of it."""

    id: int
    name: str
    city: str
    timezone: str = "Asia/Shanghai"


async def load_stores(database: Database, tenant_id: int) -> tuple[StoreRef, ...]:
    """Return every store of the chain by id; 3号店 is the third of them."""
    query = select(Store.id, Store.name, Store.city, Store.timezone).where(Store.tenant_id == tenant_id)
    async with database.read() as session:
        rows = (await session.execute(query.order_by(Store.id))).all()
    return tuple(StoreRef(row.id, row.name, row.city, row.timezone) for row in rows)
