"""Seeding as an act: the same rows every time and everywhere, all of them or none."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db.base import Base
from db.engine import Database
from db.models import Order, Tenant
from db.seed import BadSeedRequest, TenantExists, check_figures, seed

ROOT = Path(__file__).parents[2]
AS_OF = date(2026, 11, 21)
FEW = 300

SEED_AND_WAIT = """
import asyncio, sys, time
from datetime import date
from db.engine import Database
from db.seed import seed

def wait(line):
    print(line, flush=True)
    if line.startswith("订单"):
        time.sleep(60)

asyncio.run(seed(Database(sys.argv[1]), date(2026, 11, 21), 300, progress=wait))
"""
SEED_ONCE = """
import asyncio, sys
from tests.seeded import seed_into
asyncio.run(seed_into(sys.argv[1], 300))
"""


async def digest(database: Database) -> str:
    """Return one number for every row of every table."""
    total = hashlib.sha256()
    async with database.reader.connect() as connection:
        for table in Base.metadata.sorted_tables:
            result = await connection.stream(select(table).order_by(*table.primary_key))
            async for row in result:
                total.update(repr(tuple(row)).encode())
    return total.hexdigest()


async def count(database: Database) -> dict[str, int]:
    """Return how many rows each table that is not empty has."""
    async with database.reader.connect() as connection:
        counts = {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in Base.metadata.sorted_tables
        }
    return {name: rows for name, rows in counts.items() if rows}


async def test_both_engines_hold_the_same_forty_thousand_orders(seeded: Database, seeded_mariadb: Database) -> None:
    assert await digest(seeded) == await digest(seeded_mariadb)


async def test_another_process_makes_the_same_rows(database: Database, tmp_path: Path) -> None:
    await seed(database, AS_OF, FEW)
    url = f"sqlite+aiosqlite:///{tmp_path / 'again.db'}"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York"}
    command = [sys.executable, "-c", SEED_ONCE, url]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=environment, check=True)
    again = Database(url)
    assert await digest(again) == await digest(database)
    await again.close()


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2028, 2, 29), date(2100, 12, 31)])
async def test_any_other_day_will_do(database: Database, day: date) -> None:
    figures = await seed(database, day, FEW)
    assert figures.last_week.last == day - timedelta(days=1)
    async with database.read() as session:
        days = (await session.execute(select(func.min(Order.business_date), func.max(Order.business_date)))).one()
    assert day - timedelta(days=90) <= days[0] < days[1] <= day


async def test_a_tenant_that_exists_is_refused_and_nothing_changes(database: Database) -> None:
    await seed(database, AS_OF, FEW)
    before = await digest(database)
    with pytest.raises(TenantExists, match="租户「demo」已经存在"):
        await seed(database, AS_OF, FEW)
    assert await digest(database) == before


async def test_a_bad_request_leaves_the_database_empty(database: Database) -> None:
    for day, orders in ((AS_OF, 0), (AS_OF, -1), (date.min, FEW)):
        with pytest.raises(BadSeedRequest):
            await seed(database, day, orders)
    assert await count(database) == {}


async def test_a_seed_that_fails_half_way_leaves_nothing_and_can_be_repeated(database: Database) -> None:
    def fail(line: str) -> None:
        if line.startswith("订单"):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await seed(database, AS_OF, FEW, progress=fail)
    assert await count(database) == {}
    assert (await seed(database, AS_OF, FEW)).orders == FEW


async def test_a_seed_that_is_killed_leaves_nothing_and_can_be_repeated(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SEED_AND_WAIT, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    while not (await child.stdout.readline()).decode().startswith("订单"):
        assert child.returncode is None
    child.kill()
    await child.wait()
    assert await count(database) == {}
    assert (await seed(database, AS_OF, FEW)).orders == FEW


async def test_of_two_seeds_at_once_one_wins(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    outcomes = await asyncio.gather(seed(database, AS_OF, FEW), seed(other, AS_OF, FEW), return_exceptions=True)
    await other.close()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CheckFigures", "TenantExists"]
    assert (await count(database))["orders"] == FEW


async def test_a_second_chain_lives_beside_the_first(database: Database) -> None:
    first = await seed(database, AS_OF, FEW)
    second = await seed(database, AS_OF, FEW, tenant_key="other")
    assert (await count(database))["orders"] == 2 * FEW
    async with database.read() as session:
        ids = dict((await session.execute(select(Tenant.key, Tenant.id))).all())
    assert await check_figures(database, ids["demo"], AS_OF) == first
    assert second.last_week == first.last_week
