"""kill -9 at every point of a launch: the next process finishes it, the CRM has one coupon, the ledger is true."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from tests.fakes.crm import FakeCrm
from tests.plans import ledger, written
from tests.rows import small_chain

ROOT = Path(__file__).parents[2]
LEASE = "0.5"
# Where the process dies, what the CRM has then, and what the ledger says then.
POINTS: dict[str, tuple[list[str], list[str]]] = {
    "after pending": ([], ["pending"]),
    "after create": (["draft"], ["pending"]),
    "after created is recorded": (["draft"], ["succeeded", "pending"]),
    "after publish": (["published"], ["succeeded", "pending"]),
    "after the last commit": (["published"], ["succeeded", "succeeded"]),
}


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[FakeCrm]:
    async with FakeCrm(tmp_path / "crm.db").serve() as fake:
        yield fake


async def launch(database_url: str, crm: FakeCrm, point: str) -> tuple[int | None, str]:
    """Run one process to its end; return its exit code, negative for a signal, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.process.launch_once", database_url, crm.base_url, LEASE, point),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode()


def last_line(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_launch_is_finished_by_the_next_process(
    database: Database, database_url: str, crm: FakeCrm, point: str
) -> None:
    await small_chain(database)
    in_crm, in_ledger = POINTS[point]

    code, _ = await launch(database_url, crm, point)
    assert code == -signal.SIGKILL
    assert [coupon["status"] for coupon in crm.coupons] == in_crm
    assert [status for _, status, _ in await ledger(database)] == in_ledger

    code, output = await launch(database_url, crm, "nowhere")
    done = last_line(output)
    assert (code, done["status"], done["coupon_id"]) == (0, "succeeded", "100001")
    assert done["repeated"] == (point == "after the last commit")
    assert [coupon["status"] for coupon in crm.coupons] == ["published"]
    assert [row[:2] for row in await ledger(database)] == [
        ("create_coupon", "succeeded"),
        ("publish_coupon", "succeeded"),
    ]
    assert await written(database) == (1, 1)
    assert (crm.count("create"), crm.count("publish")) == (1, 1)
