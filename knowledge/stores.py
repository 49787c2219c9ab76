"""The chain's stores as questions name them."""

from __future__ import annotations

from collections.abc import Collection
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


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a store is, in degrees."""

    name: str
    city: str
    lat: float
    lon: float


async def load_places(database: Database, tenant_id: int, store_ids: Collection[int]) -> tuple[StorePlace, ...]:
    """Return where these stores are."""
    query = select(Store.name, Store.city, Store.lat, Store.lon).where(
        Store.tenant_id == tenant_id, Store.id.in_(store_ids)
    )
    async with database.read() as session:
        rows = (await session.execute(query.order_by(Store.id))).all()
    return tuple(StorePlace(row.name, row.city, row.lat, row.lon) for row in rows)


async def load_stores(database: Database, tenant_id: int) -> tuple[StoreRef, ...]:
    """Return every store of the chain by id; 3号店 is the third of them."""
    query = select(Store.id, Store.name, Store.city, Store.timezone).where(Store.tenant_id == tenant_id)
    async with database.read() as session:
        rows = (await session.execute(query.order_by(Store.id))).all()
    return tuple(StoreRef(row.id, row.name, row.city, row.timezone) for row in rows)
