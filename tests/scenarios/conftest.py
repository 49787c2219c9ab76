"""The running demo server over a private copy of the seeded chain."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.demo_server import DemoServer, demo_settings, serve


@pytest.fixture
def seeded_url(seeded_sqlite_path: Path, tmp_path: Path) -> str:
    """The address of a private copy of the seeded chain."""
    copy = tmp_path / "demo.db"
    shutil.copyfile(seeded_sqlite_path, copy)
    return f"sqlite+aiosqlite:///{copy}"


@pytest.fixture
async def demo(seeded_url: str, tmp_path: Path) -> AsyncIterator[DemoServer]:
    """The demo server, running."""
    async with serve(demo_settings(seeded_url, tmp_path / "state")) as server:
        yield server
