"""Statements that commit by themselves beside transactions, on both engines."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.engine import Database

CREATE = "CREATE TABLE marks (mark VARCHAR(20) PRIMARY KEY)"


@pytest.fixture
async def marks(database: Database) -> Database:
    """A database with a table to write into."""
    async with database.write() as session:
        await session.execute(text(CREATE))
    return database


async def put(database: Database, *marks: str) -> int:
    mark, ignore = ("?", "OR IGNORE") if database.is_sqlite else ("%s", "IGNORE")
    rows = ", ".join([f"({mark})"] * len(marks))
    return await database.write_at_once(f"INSERT {ignore} INTO marks VALUES {rows}", marks)


async def there(database: Database) -> set[str]:
    async with database.read() as session:
        return set((await session.scalars(text("SELECT mark FROM marks"))).all())


async def test_it_counts_the_rows_that_are_new(marks: Database) -> None:
    assert await put(marks, "a", "b") == 2
    assert await put(marks, "b", "c") == 1
    assert await put(marks, "a", "c") == 0


async def test_its_count_is_its_own_in_a_crowd(marks: Database) -> None:
    async def write(number: int) -> None:
        async with marks.write() as session:
            await session.execute(text(f"INSERT INTO marks VALUES ('w{number}')"))

    await put(marks, "old")
    counts, _ = await asyncio.gather(
        asyncio.gather(*(put(marks, "old", f"n{number}") for number in range(30))),
        asyncio.gather(*(write(number) for number in range(30))),
    )
    assert counts == [1] * 30
    assert len(await there(marks)) == 61


async def test_a_transaction_that_is_rolled_back_takes_nothing_of_it_along(marks: Database) -> None:
    async with marks.write() as session:
        await session.execute(text("INSERT INTO marks VALUES ('lost')"))
        kept = asyncio.create_task(put(marks, "kept"))
        await asyncio.sleep(0.1)
        await session.rollback()
    assert await kept == 1
    assert await there(marks) == {"kept"}


async def test_what_the_database_refuses_is_an_error_of_the_database(marks: Database) -> None:
    await put(marks, "a")
    mark = "?" if marks.is_sqlite else "%s"
    with pytest.raises(IntegrityError) as caught:
        await marks.write_at_once(f"INSERT INTO marks VALUES ({mark})", ("a",))
    assert "'a'," not in str(caught.value)
    with pytest.raises(DBAPIError):
        await marks.write_at_once("INSERT INTO nothing VALUES (1)", ())
    assert await put(marks, "b") == 1


async def test_cut_off_in_the_middle_the_next_one_works(marks: Database) -> None:
    await put(marks, "first")
    for number in range(20):
        task = asyncio.create_task(put(marks, f"cut{number}"))
        await asyncio.sleep(0.0002 * number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await put(marks, f"next{number}") == 1
    assert {f"next{number}" for number in range(20)} <= await there(marks)


async def test_a_connection_the_server_has_closed_is_opened_again(marks: Database) -> None:
    if marks.is_sqlite:
        return
    await put(marks, "a")
    async with marks.read() as session:
        others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        for number in (await session.scalars(text(others))).all():
            await session.execute(text(f"KILL {number}"))
    assert await put(marks, "b") == 1
