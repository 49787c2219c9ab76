"""The database as the rest of the program sees it: one door to read, one to write.

SQLite allows one writer. Left to its busy timeout, twenty concurrent writers wait over a second; so the writing
engine there has a pool of one connection, which makes the wait a fair queue in memory, and every transaction on
it begins IMMEDIATE. MySQL and MariaDB use one engine for both doors, and one that commits every statement for
`write_at_once`, which is called for every batch of what platforms send.

Bound values are hidden in errors: they are what people wrote, and errors are logged.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from db.at_once import AtOnce, ServerAtOnce, SqliteAtOnce

WRITE_WAIT_SECONDS = 30
BUSY_TIMEOUT_MS = 5000
# After ten silent seconds the server's machine is asked three times; what is sent must be taken within twenty.
VANISHED = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
TCP = (socket.AF_INET, socket.AF_INET6)
# Not every system has them all.
OPTIONS = {name: getattr(socket, name) for name in VANISHED if hasattr(socket, name)}


class Database:
    """Sessions for reading and for writing; close it before the process ends (aiosqlite's thread is no daemon)."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        engines = _sqlite_engines(self.url) if self.is_sqlite else _server_engines(self.url)
        self.reader, self.writer, self._committing = engines
        self._at_once: AtOnce = SqliteAtOnce(self.writer) if self.is_sqlite else ServerAtOnce(self._committing)
        self._read = async_sessionmaker(self.reader, expire_on_commit=False)
        self._write = async_sessionmaker(self.writer, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for queries; nothing it does is committed."""
        async with self._read() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Yield a session in one transaction: committed when the block ends, rolled back when it raises."""
        async with self._write() as session, session.begin():
            yield session

    async def write_at_once(self, sql: str, values: tuple[Any, ...]) -> int:
        """Run one statement in the driver's own words, a transaction of its own; return how many rows it changed.

        A connection that was closed meanwhile is opened again, once. `DBAPIError` when the statement fails.
        """
        return await self._at_once.run(sql, values)

    async def close(self) -> None:
        """Give every connection back."""
        await self._at_once.close()
        for engine in (self.writer, self.reader, self._committing):
            await engine.dispose()


def _server_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    settings: dict[str, Any] = {
        "hide_parameters": True,
        "pool_recycle": 1800,
        "connect_args": {"init_command": "SET time_zone = '+00:00'"},
    }
    url = url.update_query_dict({"charset": "utf8mb4"})
    engine = create_async_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", **settings)
    # Nothing is left open on it that would have to be rolled back.
    committing = create_async_engine(
        url, pool_size=1, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **settings
    )
    event.listen(committing.sync_engine, "connect", _read_committed)
    for made in (engine, committing):
        event.listen(made.sync_engine, "connect", _notice_when_it_vanishes)
    return engine, engine, committing


def _read_committed(connection: Any, _record: Any) -> None:
    """Keep the statements of two replicas from locking the gaps between each other's rows."""
    cursor = connection.cursor()
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.close()


def _notice_when_it_vanishes(connection: Any, _record: Any) -> None:
    """Let the system give a connection up whose other end is silent: the driver itself would wait for ever."""
    wire = connection.driver_connection._writer.get_extra_info("socket")  # noqa: SLF001 (it offers no other way)
    for option, value in VANISHED.items():
        if option in OPTIONS and wire.family in TCP:
            wire.setsockopt(socket.IPPROTO_TCP, OPTIONS[option], value)


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    reader = create_async_engine(url, hide_parameters=True)
    writer = create_async_engine(
        url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=WRITE_WAIT_SECONDS
    )
    _set_up_sqlite(reader, "BEGIN")
    _set_up_sqlite(writer, "BEGIN IMMEDIATE")
    return reader, writer, writer


def _set_up_sqlite(engine: AsyncEngine, begin: str) -> None:
    """Take BEGIN out of the driver's hands and set what durability and foreign keys need."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)
