"""One statement that commits by itself, by the shortest way to the driver.

It is what every batch of updates waits for. A checkout, a transaction and a return through SQLAlchemy cost more than
the statement: on SQLite 320 microseconds of the event loop's time against 100, on MariaDB 890 against 560 (16 rows).
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool


class AtOnce(Protocol):
    """Runs statements in the driver's own words, each a transaction of its own."""

    async def run(self, sql: str, values: tuple[Any, ...]) -> int:
        """Return how many rows the statement changed; `DBAPIError` when it fails."""

    async def close(self) -> None:
        """Give back what is held."""


class SqliteAtOnce:
    """On the one connection that writes: its thread runs statement after statement.

    While the connection lies in the pool no transaction is open on it, and whoever takes it out next stands behind
    this statement in the thread's queue. While it is out, this waits in the pool's queue like everybody else.
    """

    def __init__(self, writer: AsyncEngine) -> None:
        self._writer = writer
        self._driver: Any = None
        event.listen(writer.sync_engine, "connect", self._opened)
        for gone in ("close", "invalidate"):
            event.listen(writer.sync_engine, gone, self._gone)

    async def run(self, sql: str, values: tuple[Any, ...]) -> int:
        """Return how many rows the statement changed; `DBAPIError` when it fails."""
        if self._is_idle():
            return await _rows(self._driver, sql, values)
        async with self._writer.connect() as connection:
            return await _rows((await connection.get_raw_connection()).driver_connection, sql, values)

    async def close(self) -> None:
        """Nothing is held."""

    def _is_idle(self) -> bool:
        pool = self._writer.pool
        return self._driver is not None and isinstance(pool, QueuePool) and pool.checkedin() == 1

    def _opened(self, connection: Any, _record: Any) -> None:
        self._driver = connection.driver_connection

    def _gone(self, *_connection: Any) -> None:
        self._driver = None


async def _rows(driver: Any, sql: str, values: tuple[Any, ...]) -> int:
    try:
        cursor = await driver.execute(sql, values)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(sql, None, error, hide_parameters=True) from error
    except sqlite3.Error as error:
        raise OperationalError(sql, None, error, hide_parameters=True) from error
    return int(cursor.rowcount)


class ServerAtOnce:
    """On a connection that is kept; `engine` commits every statement. One that was closed is opened again, once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kept: AsyncConnection | None = None
        self._turn = asyncio.Lock()

    async def run(self, sql: str, values: tuple[Any, ...]) -> int:
        """Return how many rows the statement changed; `DBAPIError` when it fails."""
        async with self._turn:
            try:
                return await self._try(sql, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._try(sql, values)

    async def close(self) -> None:
        """Give the connection back."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()

    async def _try(self, sql: str, values: tuple[Any, ...]) -> int:
        try:
            if self._kept is None:
                self._kept = await self._engine.connect()
            return int((await self._kept.exec_driver_sql(sql, values)).rowcount)
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        """Let the connection go for good: cut off in the middle of a statement, it still has an answer coming."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.invalidate()
            await kept.close()
