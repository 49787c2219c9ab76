"""Inserts decided by a unique key: a row that is already there is left alone, and that is not an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from db.base import Base


async def insert_new(session: AsyncSession, model: type[Base], values: Mapping[str, Any]) -> int | None:
    """Insert one row and return its id, or None when a unique key says that it exists.

    MySQL's INSERT IGNORE also turns other errors into warnings, so callers keep texts within their columns.
    """
    result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        ignoring(session, model).values(**values)
    )
    if not result.rowcount:
        return None
    key = result.inserted_primary_key
    return int(key[0]) if key else None


async def insert_all_new(session: AsyncSession, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert many rows in one go and return how many were new; all rows name the same columns."""
    result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        ignoring(session, model), [dict(row) for row in rows]
    )
    return result.rowcount


def ignoring(session: AsyncSession, model: type[Base]) -> Any:
    """Return an INSERT that passes over rows whose unique key exists."""
    table = model.__table__
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()  # type: ignore[arg-type]
    return mysql.insert(table).prefix_with("IGNORE")  # type: ignore[arg-type]
