"""The schema a migration makes is the one the models describe, on both engines and in both directions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from db.base import Base
from db.engine import Database
from db.migrate import SCRIPTS, MigrationError, current_revision, downgrade, migrate, newest_revision, revisions
from db.migrations.drawing import different_type

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    """A database without a single table, once on each engine."""
    database = Database(database_url)
    yield database
    await database.close()


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": different_type})
    return list(compare_metadata(context, Base.metadata))


async def _tables(database: Database) -> set[str]:
    async with database.reader.connect() as connection:
        return set(await connection.run_sync(lambda c: inspect(c).get_table_names()))


async def test_migrating_an_empty_database_gives_what_the_models_describe(empty: Database) -> None:
    await migrate(empty)
    async with empty.reader.connect() as connection:
        assert await connection.run_sync(_differences) == []
    assert await current_revision(empty) == newest_revision()


async def test_a_difference_would_be_seen(empty: Database) -> None:
    await migrate(empty)
    async with empty.writer.begin() as connection:
        await connection.execute(text("ALTER TABLE stores ADD COLUMN floor INTEGER"))
        await connection.execute(text("DROP INDEX ix_orders_created_at" + ("" if empty.is_sqlite else " ON orders")))
    async with empty.reader.connect() as connection:
        assert {kind[0] for kind in await connection.run_sync(_differences)} == {"remove_column", "add_index"}


async def test_down_to_nothing_and_up_again(empty: Database) -> None:
    await migrate(empty)
    await downgrade(empty, "base")
    assert await _tables(empty) == {"alembic_version"}
    assert await current_revision(empty) is None
    await migrate(empty)
    assert await _tables(empty) == {*Base.metadata.tables, "alembic_version"}


async def test_instants_keep_their_microseconds_and_places_their_digits(empty: Database) -> None:
    await migrate(empty)
    async with empty.reader.connect() as connection:
        columns = await connection.run_sync(
            lambda c: inspect(c).get_columns("stores") + inspect(c).get_columns("inbox")
        )
    types = {column["name"]: str(column["type"]) for column in columns}
    assert types["lat"].startswith("DOUBLE")
    assert getattr(next(c for c in columns if c["name"] == "received_at")["type"], "fsp", 6) == 6


async def test_two_processes_may_migrate_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    await asyncio.gather(*(migrate(database) for database in databases))
    assert [await current_revision(database) for database in databases] == [newest_revision()] * 3
    for database in databases:
        await database.close()


async def test_a_current_database_is_left_alone_without_loading_alembic(database_url: str) -> None:
    database = Database(database_url)
    await migrate(database)
    await database.close()
    code = (
        "import asyncio, sys\n"
        "from db.engine import Database\n"
        "from db.migrate import migrate\n"
        "async def main():\n"
        "    database = Database(sys.argv[1])\n"
        "    await migrate(database)\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, database_url]
    finished = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


async def test_a_database_newer_than_the_program_is_refused(empty: Database) -> None:
    await migrate(empty)
    async with empty.writer.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationError, match="9999"):
        await migrate(empty)


async def test_tables_without_a_version_are_refused_and_kept(database: Database) -> None:
    with pytest.raises(MigrationError, match="没有版本记录"):
        await migrate(database)
    assert await _tables(database) == set(Base.metadata.tables)


async def test_foreign_keys_are_enforced_again_after_a_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'keys.db'}")
    await migrate(database)
    async with database.write() as session:
        assert (await session.execute(text("PRAGMA foreign_keys"))).scalar() == 1
    await database.close()


async def test_a_folder_with_odd_characters_is_no_obstacle(tmp_path: Path) -> None:
    directory = tmp_path / "门店 100%"
    database = Database(f"sqlite+aiosqlite:///{directory / '导购.db'}")
    await migrate(database)
    assert await current_revision(database) == newest_revision()
    await database.close()


def test_the_newest_revision_by_file_name_is_alembics_head() -> None:
    scripts = ScriptDirectory(str(SCRIPTS))
    assert scripts.get_heads() == [newest_revision()]
    assert [step.revision for step in scripts.walk_revisions()][::-1] == list(revisions())


def test_every_file_alembic_needs_is_installed_with_the_package() -> None:
    """setuptools takes folders with an __init__.py and the file types named in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = ["*.py", *settings["tool"]["setuptools"]["package-data"]["*"]]
    files = [path for path in SCRIPTS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {"env.py", "script.py.mako"} <= {path.name for path in files}
    assert all((path.parent / "__init__.py").is_file() for path in files)
    assert [path.name for path in files if not any(path.match(pattern) for pattern in patterns)] == []
