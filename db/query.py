"""Running a guarded statement: read only, for so long, for so many rows, and without telling what went wrong.

The guard (`db/sql_guard.py`) decides how a statement may look; here the connection decides what it may do. A
database's own error text can carry data (EXTRACTVALUE puts a column into it), so it is never shown.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import Database
from db.sql_lexer import colons_in_quotes_escaped

PROGRESS_STEPS = 20_000  # virtual machine steps of SQLite between two looks at the clock, about a millisecond
FAILED = "查询没有成功，可能是数据量太大，请缩小时间范围再试"

Rows = list[tuple[Any, ...]]

_LOG = structlog.get_logger()
_DEADLINE = "deadline"
_NAME = re.compile(r":([A-Za-z_]\w*)")


class QueryFailed(Exception):
    """The database did not answer; `str()` may be shown, the cause may not."""


async def run_guarded(
    database: Database,
    sql: str,
    params: Mapping[str, Any],
    max_rows: int = 10_000,
    timeout_s: float = 5.0,
) -> tuple[tuple[str, ...], Rows]:
    """Return the column names and at most `max_rows` rows of a statement the guard has passed.

    A parameter whose value is a tuple fills an `IN (:name)`.
    """
    spread, values = _spread(sql, params)
    try:
        async with database.reader.connect() as connection, _limits(database, connection, timeout_s) as prefix:
            result = await connection.execute(text(prefix + colons_in_quotes_escaped(spread)), values)
            return tuple(result.keys()), [tuple(row) for row in result.fetchmany(max_rows)]
    except SQLAlchemyError as error:
        _LOG.warning("query.failed", error=type(error).__name__, cause=type(error.__cause__).__name__)
        raise QueryFailed(FAILED) from None


def _spread(sql: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the statement with one placeholder per element of each tuple, and the flat values."""
    values: dict[str, Any] = {}
    for name, value in params.items():
        many: Sequence[Any] = value if isinstance(value, tuple) else ()
        values.update({f"{name}_{place}": item for place, item in enumerate(many)} if many else {name: value})

    def placeholders(match: re.Match[str]) -> str:
        value = params.get(match[1])
        if not isinstance(value, tuple):
            return match[0]
        return ", ".join(f":{match[1]}_{place}" for place in range(len(value)))

    return _NAME.sub(placeholders, sql), values


@asynccontextmanager
async def _limits(database: Database, connection: AsyncConnection, timeout_s: float) -> AsyncIterator[str]:
    """Make the connection read only and bounded in time; yield what to write before the statement."""
    if database.is_sqlite:
        async with _sqlite_limits(connection, timeout_s):
            yield ""
    else:
        async with _server_limits(connection, timeout_s) as prefix:
            yield prefix


@asynccontextmanager
async def _sqlite_limits(connection: AsyncConnection, timeout_s: float) -> AsyncIterator[None]:
    """Give the statement its deadline; the connection itself was made read only when it was first used here.

    The engine this connection belongs to only ever reads, so it may stay so. Each call into the driver's thread
    costs as much as a small query; hence one handler for the connection's life, with a deadline that moves.
    """
    if _DEADLINE not in connection.info:
        await _make_read_only(connection)
    connection.info[_DEADLINE] = time.monotonic() + timeout_s
    try:
        yield
    finally:
        connection.info[_DEADLINE] = math.inf


async def _make_read_only(connection: AsyncConnection) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    kept = connection.info
    kept[_DEADLINE] = math.inf
    await raw.execute("PRAGMA query_only=ON")
    await raw.set_progress_handler(lambda: time.monotonic() > kept[_DEADLINE], PROGRESS_STEPS)


@asynccontextmanager
async def _server_limits(connection: AsyncConnection, timeout_s: float) -> AsyncIterator[str]:
    """MariaDB limits one statement (seconds); MySQL 8 limits a session (milliseconds), which is put back."""
    await connection.exec_driver_sql("START TRANSACTION READ ONLY")
    if getattr(connection.dialect, "is_mariadb", False):
        yield f"SET STATEMENT max_statement_time={timeout_s:g} FOR "
        return
    await connection.exec_driver_sql(f"SET SESSION max_execution_time={int(timeout_s * 1000)}")
    try:
        yield ""
    finally:
        await connection.exec_driver_sql("SET SESSION max_execution_time=0")
