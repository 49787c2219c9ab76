"""Inserts decided by a unique key: a row that is already there is left alone, and that is not an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from db.base import Base


async def insert_new(session: AsyncSession, model: type[Base], values: Mapping[str, Any]) -> int | None:
    """Insert one row and return its id, or None when a unique key says that it exists.

    MySQL's INSERT IGNORE also turns other errors into warnings, so callers keep texts within their columns.
    """
    table = model.__table__
    if session.get_bind().dialect.name == "sqlite":
        statement: Any = sqlite.insert(table).values(**values).on_conflict_do_nothing()  # type: ignore[arg-type]
    else:
        statement = mysql.insert(table).values(**values).prefix_with("IGNORE")  # type: ignore[arg-type]
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    if not result.rowcount:
        return None
    key = result.inserted_primary_key
    return int(key[0]) if key else None
