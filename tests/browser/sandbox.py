"""The demo as a visitor meets it: the real server on a free port, and the page's phones as test objects."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from playwright.async_api import Locator, Page, expect
from pydantic import SecretStr

from bot.config import DatabaseSettings, KnowledgeSettings, ScheduleSettings, Settings
from bot.server import build_app

WECOM, DINGTALK = "企业微信", "钉钉"
PLAN = "给高价值老客做一个促复购活动，预算3万，7天"
REPORT = "最近7天各门店GMV、客单价、订单数，按天趋势"
ANSWER_MS = 8000


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo server."""

    url: str
    directory: Path

    def coupons(self) -> list[str]:
        """The state of every coupon in the CRM, read from the CRM's own file."""
        with closing(sqlite3.connect(self.directory / "mock-crm.db")) as crm:
            return [status for (status,) in crm.execute("SELECT status FROM coupons ORDER BY id")]


@asynccontextmanager
async def running_demo(database: Path, directory: Path) -> AsyncIterator[Demo]:
    """Serve the demo over this seeded database while the block runs; its state lies in `directory`."""
    settings = Settings(
        demo=True,
        state_directory=directory,
        database=DatabaseSettings(url=SecretStr(f"sqlite+aiosqlite:///{database}")),
        knowledge=KnowledgeSettings(directory=directory / "chroma"),
        # The pushes of these tests are the ones that are asked for.
        schedule=ScheduleSettings(enabled=False),
    )
    runner = web.AppRunner(build_app(settings), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Demo(f"http://127.0.0.1:{runner.addresses[0][1]}", directory)
    finally:
        await runner.cleanup()


class Handset:
    """One of the two phones on the page."""

    def __init__(self, page: Page, name: str) -> None:
        self.node = page.get_by_role("region", name=f"{name}手机")
        self.log = self.node.get_by_role("log")

    async def tap(self, suggestion: str) -> None:
        """Tap one of the suggestions."""
        await self.node.get_by_role("group", name="试试这样说").get_by_role("button", name=suggestion).click()

    async def type(self, text: str) -> None:
        """Type a text and press Enter."""
        box = self.node.get_by_role("textbox")
        await box.fill(text)
        await box.press("Enter")

    def button(self, name: str) -> Locator:
        """The newest card button of this name."""
        return self.log.get_by_role("button", name=name, exact=True).last

    async def to_the_end(self) -> None:
        """Follow the hint that more stands below, where there is one."""
        more = self.node.get_by_role("button", name="下面还有")
        if await more.is_visible():
            await more.click()

    def answers(self) -> Locator:
        """What the bot said, oldest first."""
        return self.log.get_by_role("article", name="导购助手说的")

    def mine(self) -> Locator:
        """What the person said, oldest first."""
        return self.log.get_by_role("article", name="我说的")

    async def shows(self, words: str) -> None:
        """Wait until the chat shows these words."""
        await expect(self.log).to_contain_text(words, timeout=ANSWER_MS)


async def visit(page: Page, demo: Demo, role: str = "店长") -> tuple[Handset, Handset]:
    """Open the page as a person of this role and return the WeCom and the DingTalk phone."""
    await page.goto(f"{demo.url}/sandbox")
    await page.get_by_role("radio", name=role).click()
    await expect(page.get_by_role("radio", name=role)).to_be_checked()
    return Handset(page, WECOM), Handset(page, DINGTALK)
