"""Databases for the tests: every database test runs on SQLite and on MariaDB alike.

`DAOGOU_TEST_MARIADB` is the server's address (default: root without password on loopback). Where it does not
answer, the MariaDB half is skipped with that reason, unless `DAOGOU_REQUIRE_SERVICES=1` makes it a failure.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

import db.models  # noqa: F401 - registers every table
from bot.logs import QUIET
from db.base import Base
from db.engine import Database

MARIADB = os.environ.get("DAOGOU_TEST_MARIADB", "mysql+aiomysql://root@127.0.0.1:3306/")
REQUIRED = os.environ.get("DAOGOU_REQUIRE_SERVICES") == "1"

pytest_plugins = ("tests.seeded", "tests.faults.summary")


async def _run_on_server(statement: str) -> None:
    engine = create_async_engine(MARIADB)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def new_mariadb(name: str) -> str:
    """Create an empty database of this name and return its address; skip or fail when no server answers."""
    try:
        await _run_on_server(f"DROP DATABASE IF EXISTS {name}")
        await _run_on_server(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    except (SQLAlchemyError, OSError) as error:
        message = f"MariaDB does not answer at {make_url(MARIADB).host}: {type(error).__name__}"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    return make_url(MARIADB).set(database=name).render_as_string(hide_password=False)


def require_port(name: str, port: int) -> None:
    """Skip, or fail where services are required, when nothing answers on this port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        message = f"{name} does not answer on port {port}"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)


async def drop_mariadb(name: str) -> None:
    """Remove a database made by `new_mariadb`."""
    await _run_on_server(f"DROP DATABASE IF EXISTS {name}")


async def make_schema(database: Database) -> None:
    """Make every table in an empty database."""
    async with database.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


@pytest.fixture(params=["sqlite", "mariadb"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty database, once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    name = f"daogou_test_{os.getpid()}"
    yield await new_mariadb(name)
    await drop_mariadb(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table and no rows, once on each engine."""
    db = Database(database_url)
    await make_schema(db)
    yield db
    await db.close()


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a proxy or a DAOGOU_ setting of the machine out of the tests."""
    for name in list(os.environ):
        if name.startswith("DAOGOU_") and not name.startswith(("DAOGOU_TEST_", "DAOGOU_REQUIRE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a command that was run set up: levels and handlers belong to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
