"""Bring a database to the newest schema.

The usual case at start-up is that nothing is to be done; that is found out by one query, without loading alembic.
Otherwise one process migrates and the others wait: on SQLite for the write lock, on a server for a named lock.
SQLite takes a migration whole or not at all. MySQL commits every DDL statement by itself, so a migration that dies
there half-way is reported at the next start and needs a person.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.base import Base
from db.engine import Database
from db.named_lock import LockTimeout, named_lock

SCRIPTS = Path(__file__).parent / "migrations"
STEP = re.compile(r"(\d{4})_\w+\.py")
VERSION_TABLE = "alembic_version"
LOCK_NAME = "daogou_migrate"
LOCK_WAIT_SECONDS = 60

HALF_DONE = "数据库里有表却没有版本记录，可能是上次迁移中断了。请备份后换一个空的数据库，或清空它再启动。"
TOO_NEW = "数据库的版本是 {found}，比本程序认识的 {newest} 更新。请升级程序，或换一个数据库。"
LOCKED = f"另一个进程正在升级数据库，等了 {LOCK_WAIT_SECONDS} 秒还没有完成，请稍后再试。"


class MigrationError(Exception):
    """The schema could not be brought up to date; the message says what to do."""


def revisions() -> tuple[str, ...]:
    """Return the known revisions, oldest first, read off the file names."""
    names = (STEP.fullmatch(path.name) for path in (SCRIPTS / "versions").iterdir())
    return tuple(sorted(match[1] for match in names if match))


def newest_revision() -> str:
    """Return the revision this program needs."""
    return revisions()[-1]


async def current_revision(database: Database) -> str | None:
    """Return the revision the database is at, None before the first migration."""
    async with database.reader.connect() as connection:
        return await connection.run_sync(_revision_of)


async def migrate(database: Database) -> None:
    """Bring the database to the newest revision; does nothing when it is there.

    `MigrationError` when the database is newer than the program, or was left half-way.
    """
    if not _is_behind(await current_revision(database)):
        return
    async with _alone(database) as connection:
        if _is_behind(await connection.run_sync(_revision_of)):
            await connection.run_sync(_upgrade, newest_revision())


async def downgrade(database: Database, revision: str) -> None:
    """Go back to a revision, "base" for an empty database. What the steps added is lost."""
    async with _alone(database) as connection:
        await connection.run_sync(_downgrade, revision)


def _is_behind(found: str | None) -> bool:
    known = revisions()
    if found is not None and found not in known:
        raise MigrationError(TOO_NEW.format(found=found, newest=known[-1]))
    return found != known[-1]


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a transaction while every other migrator waits."""
    guard = _sqlite_alone if database.is_sqlite else _server_alone
    async with database.writer.connect() as connection, guard(connection):
        yield connection


@asynccontextmanager
async def _sqlite_alone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Hold the write lock. Foreign keys are off meanwhile: batch mode drops a table that others point to.

    The pragma does nothing inside a transaction, so it goes to the driver before SQLAlchemy begins one.
    """
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute("PRAGMA foreign_keys=OFF")
    try:
        async with connection.begin():
            yield
            await _check_references(connection)
    finally:
        await raw.execute("PRAGMA foreign_keys=ON")


async def _check_references(connection: AsyncConnection) -> None:
    broken = (await connection.execute(text("PRAGMA foreign_key_check"))).first()
    if broken is not None:
        raise MigrationError(f"迁移后有引用对不上（表 {broken[0]}），已全部撤销。")


@asynccontextmanager
async def _server_alone(connection: AsyncConnection) -> AsyncIterator[None]:
    try:
        async with named_lock(connection, LOCK_NAME, LOCK_WAIT_SECONDS), connection.begin():
            yield
    except LockTimeout as error:
        raise MigrationError(LOCKED) from error


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - a second of imports that a database up to date does not need

    if _revision_of(connection) is None and set(inspect(connection).get_table_names()) & set(Base.metadata.tables):
        raise MigrationError(HALF_DONE)
    command.upgrade(_alembic(connection), revision)


def _downgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - as above

    command.downgrade(_alembic(connection), revision)


def write_revision(connection: Connection, message: str) -> None:
    """Write a new step to versions/: what it takes from this up-to-date database to the models."""
    from alembic import command  # noqa: PLC0415 - as above

    number = f"{int(revisions()[-1]) + 1:04d}" if revisions() else "0001"
    command.revision(_alembic(connection), message, autogenerate=True, rev_id=number)


def _alembic(connection: Connection) -> Any:
    from alembic.config import Config  # noqa: PLC0415 - as above

    # A percent sign in the path would be read as interpolation by the ini parser behind it.
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config
