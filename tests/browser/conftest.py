"""A demo and a browser for each test; without Chromium the tests are skipped, or fail where services are required."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.chromium import chromium, find_chromium
from tests.browser.sandbox import Demo, running_demo
from tests.conftest import REQUIRED

MISSING = "Chromium is not installed (Debian: apt-get install chromium)"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    if path is None:
        (pytest.fail if REQUIRED else pytest.skip)(MISSING)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with chromium(chromium_path) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A desktop page on which no script may fail and nothing may be refused by the content policy."""
    context = await browser.new_context(viewport={"width": 1400, "height": 900})
    opened = await context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda line: troubles.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    await context.close()
    assert troubles == []


@pytest_asyncio.fixture(loop_scope="session")
async def demo(seeded_sqlite_path: Path, tmp_path: Path) -> AsyncIterator[Demo]:
    """A demo of its own over a copy of the seeded chain."""
    database = tmp_path / "daogou.db"
    shutil.copyfile(seeded_sqlite_path, database)
    async with running_demo(database, tmp_path / "state") as started:
        yield started
