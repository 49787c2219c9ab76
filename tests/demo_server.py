"""The real server of the demo on a port of its own, over a private copy of the seeded chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from bot.config import DatabaseSettings, KnowledgeSettings, ScheduleSettings, Settings
from bot.runtime import Runtime, utc_now
from bot.sandbox.stage import DemoStage
from bot.server import ADMIN, RUNTIME, STAGE, build_app

PATIENCE = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running server, its address and a client."""

    base: str
    app: web.Application
    http: aiohttp.ClientSession

    @property
    def runtime(self) -> Runtime:
        return self.app[RUNTIME]

    @property
    def stage(self) -> DemoStage:
        return self.app[STAGE]

    @property
    def admin_password(self) -> str:
        return self.app[ADMIN].password

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        async with self.http.post(self.base + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.base + path) as response:
            return response.status, await response.text()

    async def screen(self, platform: str, user: str) -> list[dict[str, Any]]:
        """The bubbles of one phone, oldest first."""
        async with self.http.get(
            f"{self.base}/sandbox/api/screen", params={"platform": platform, "user": user}
        ) as response:
            return list((await response.json())["messages"])

    async def say(self, platform: str, user: str, text: str) -> None:
        """Type a sentence on one phone."""
        status, body = await self.post("/sandbox/api/say", {"platform": platform, "user": user, "text": text})
        assert status == 200, body

    async def shown(self, platform: str, user: str, until: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Wait until the phone's text satisfies `until` and return its bubbles."""
        return await eventually(lambda: self.screen(platform, user), lambda bubbles: until(str(bubbles)))


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Look until what is seen is good; fail with what was seen last."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        seen = await look()
        if good(seen):
            return seen
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still not good after {PATIENCE:.0f} s: {seen!r:.2000}")
        await asyncio.sleep(0.05)


def demo_settings(database_url: str, state: Path, **more: Any) -> Settings:
    """Settings of a demo whose schedule stands still."""
    return Settings(
        demo=True,
        database=DatabaseSettings(url=SecretStr(database_url)),
        knowledge=KnowledgeSettings(directory=state / "chroma"),
        schedule=ScheduleSettings(enabled=False),
        state_directory=state,
        **more,
    )


@asynccontextmanager
async def serve(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[DemoServer]:
    """Run the server while the block runs."""
    app = build_app(settings, clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            yield DemoServer(f"http://127.0.0.1:{runner.addresses[0][1]}", app, http)
    finally:
        await runner.cleanup()
