"""A lock between processes, kept by the database server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class LockTimeout(Exception):
    """Somebody else held the lock for all the time we were willing to wait."""


@asynccontextmanager
async def named_lock(connection: AsyncConnection, name: str, wait_seconds: int) -> AsyncIterator[None]:
    """Hold the lock `name` of this database while the block runs; `LockTimeout` when it is not to be had.

    MySQL's GET_LOCK belongs to the connection and survives commits, those that DDL makes too; it goes when the
    connection goes. On SQLite nothing happens here: its one write transaction is the lock.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    words = {"name": f"{name}:{connection.engine.url.database}", "wait": wait_seconds}
    got = (await connection.execute(text("SELECT GET_LOCK(:name, :wait)"), words)).scalar()
    await connection.commit()
    if got != 1:
        raise LockTimeout(name)
    try:
        yield
    finally:
        await connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": words["name"]})
        await connection.commit()
