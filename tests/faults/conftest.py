"""An installation for a fault to happen to, and a line for the summary of how everything ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import clustered
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks, forking
from tests.faults.installation import Installation, installed


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Where servers come from."""
    with forking() as made:
        yield made


@pytest.fixture
async def at(database_url: str, tmp_path: Path, forks: Forks) -> AsyncIterator[Installation]:
    """An installation, once on each engine."""
    async with installed(tmp_path, database_url, forks) as made:
        yield made


@pytest.fixture
async def alone(tmp_path: Path, forks: Forks) -> AsyncIterator[Installation]:
    """An installation on SQLite, for what does not differ between engines."""
    async with installed(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'alone.db'}", forks) as made:
        yield made


@pytest.fixture
async def cluster(tmp_path: Path, forks: Forks) -> AsyncIterator[Installation]:
    """Three servers that share database, broker and Redis, not started."""
    async with clustered(tmp_path, forks) as made:
        yield made


@pytest.fixture
def crowd(at: Installation) -> Crowd:
    return Crowd(at)


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[object], None]:
    """Show a line in the summary of the run."""
    return lambda line: record_property("faults", str(line))
