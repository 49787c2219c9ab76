"""The demo chain for tests: seeded once per run, handed out as private copies (SQLite) or to be read only (MariaDB).

Figures of these rows stand in tests/scenarios/test_seed_figures.py.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

from db.engine import Database
from db.migrate import migrate
from db.seed import seed
from tests.conftest import drop_mariadb, new_mariadb

T = TypeVar("T")

SEEDED_AS_OF = date(2026, 11, 21)
SEEDED_ORDERS = 40_000


async def seed_into(url: str, orders: int = SEEDED_ORDERS, as_of: date = SEEDED_AS_OF) -> None:
    """Make the schema and the demo chain in the empty database at this address."""
    database = Database(url)
    try:
        await migrate(database)
        await seed(database, as_of, orders)
    finally:
        await database.close()


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Finish the coroutine on a loop of its own, whether or not a test's loop is running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def seeded_sqlite_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo chain; copy it, do not write to it."""
    path = tmp_path_factory.mktemp("seeded") / "daogou.db"
    _apart(seed_into(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
async def seeded(seeded_sqlite_path: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A database of one's own with the demo chain."""
    copy = tmp_path / "seeded.db"
    shutil.copyfile(seeded_sqlite_path, copy)
    database = Database(f"sqlite+aiosqlite:///{copy}")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def seeded_mariadb_url() -> Iterator[str]:
    """The address of a MariaDB database with the demo chain; read only, because every test shares it."""
    name = f"daogou_seeded_{os.getpid()}"
    url = _apart(new_mariadb(name))
    _apart(seed_into(url))
    yield url
    _apart(drop_mariadb(name))


@pytest.fixture
async def seeded_mariadb(seeded_mariadb_url: str) -> AsyncIterator[Database]:
    """The shared MariaDB database with the demo chain, for reading."""
    database = Database(seeded_mariadb_url)
    yield database
    await database.close()
