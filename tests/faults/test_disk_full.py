"""The disk is full: the platform is told to come again, and when there is room nothing is missing or broken."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import REQUIRED
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks
from tests.faults.installation import Installation, installed

Report = Callable[[object], None]
DISK_BYTES = 6 * 2**20
FILLED_SECONDS = 2.0


class Disk:
    """A file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for size in (2**16, 2**12, 1):
                try:
                    while True:
                        ballast.write(b"x" * size)
                except OSError:
                    continue

    def clear(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    """A small disk of one's own; mounting one takes root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if await run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)):
        message = "a small file system cannot be mounted here"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    yield Disk(folder)
    assert await run("umount", str(folder)) == 0


async def run(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()


@pytest.fixture
async def at(disk: Disk, tmp_path: Path, forks: Forks) -> AsyncIterator[Installation]:
    """An installation whose database and spool are on the small disk."""
    async with installed(tmp_path, f"sqlite+aiosqlite:///{disk.folder / 'small.db'}", forks) as made:
        yield made


async def test_a_full_disk_refuses_and_recovers(at: Installation, crowd: Crowd, disk: Disk, report: Report) -> None:
    server = at.replica("a", state_directory=str(disk.folder / "state"))
    await server.start()
    async with crowd.talking(at.people[:20]):
        await asyncio.sleep(1)
        disk.fill()
        await asyncio.sleep(FILLED_SECONDS)
        assert await server.status("/readyz") == 200
        disk.clear()
        await asyncio.sleep(2)
    counts = await at.judge()
    report(f"{counts}; refused {len(crowd.refused)}")
    assert set(crowd.refused) == {503}
    assert counts.answered == counts.accepted > 20
    assert await crowd.say_wecom(at.people[25], crowd.text())
    await at.judge()
    assert [integrity(path) for path in (disk.folder / "small.db", disk.folder / "state" / "spool.db")] == ["ok", "ok"]


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
