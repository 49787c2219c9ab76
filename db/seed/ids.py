"""Primary keys given out by the seed itself, so that they are the same on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.base import Base


class Ids:
    """The next key of each table; in an empty database every table starts at 1."""

    def __init__(self, highest: dict[str, int]) -> None:
        self._counters: dict[str, Iterator[int]] = {name: count(top + 1) for name, top in highest.items()}

    def of(self, model: type[Base]) -> Iterator[int]:
        """Return the endless keys of this table; the same iterator at every call."""
        return self._counters[model.__tablename__]


async def ids_after(connection: AsyncConnection, models: tuple[type[Base], ...]) -> Ids:
    """Return keys that follow the highest one each table has now."""
    highest = {}
    for model in models:
        column = model.__table__.c["id"]
        highest[model.__tablename__] = (await connection.execute(select(func.max(column)))).scalar() or 0
    return Ids(highest)
