"""The database as the rest of the program sees it: one door to read, one to write.

SQLite allows one writer. Left to its busy timeout, twenty concurrent writers wait over a second; so the writing
engine there has a pool of one connection, which makes the wait a fair queue in memory, and every transaction on
it begins IMMEDIATE. MySQL and MariaDB use one engine for both doors.

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

WRITE_WAIT_SECONDS = 30
BUSY_TIMEOUT_MS = 5000
# After ten silent seconds the server's machine is asked three times; what is sent must be taken within twenty.
VANISHED = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
TCP = (socket.AF_INET, socket.AF_INET6)
# Not every system has them all.
OPTIONS = {name: getattr(socket, name) for name in VANISHED if hasattr(socket, name)}
# The execution option of a statement that is its own transaction.
ALONE = "daogou_alone"


class Database:
    """Sessions for reading and for writing; close it before the process ends (aiosqlite's thread is no daemon)."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.reader, self.writer = _sqlite_engines(self.url) if self.is_sqlite else _server_engines(self.url)
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
        """Run one statement in the driver's own words, which is its own transaction; return how many rows it changed.

        Without BEGIN and COMMIT of their own it costs one way to the database and back instead of three.
        """
        async with self.writer.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT", **{ALONE: True})
            result = await alone.exec_driver_sql(sql, values)
            return int(result.rowcount)

    async def close(self) -> None:
        """Give every connection back."""
        await self.writer.dispose()
        await self.reader.dispose()


def _server_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    engine = create_async_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        connect_args={"init_command": "SET time_zone = '+00:00'"},
    )
    _notice_a_vanished_server(engine)
    return engine, engine


def _notice_a_vanished_server(engine: AsyncEngine) -> None:
    """Let the system give a connection up whose other end is silent: the driver itself would wait for ever."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        wire = connection.driver_connection._writer.get_extra_info("socket")  # noqa: SLF001 (it offers no other way)
        for option, value in VANISHED.items():
            if option in OPTIONS and wire.family in TCP:
                wire.setsockopt(socket.IPPROTO_TCP, OPTIONS[option], value)


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    reader = create_async_engine(url, hide_parameters=True)
    writer = create_async_engine(
        url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=WRITE_WAIT_SECONDS
    )
    _set_up_sqlite(reader, "BEGIN")
    _set_up_sqlite(writer, "BEGIN IMMEDIATE")
    return reader, writer


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
        if not connection.get_execution_options().get(ALONE):
            connection.exec_driver_sql(begin)
