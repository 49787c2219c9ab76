"""The newcomer's folder on the server: the configuration of the guide, its commands, and the real server."""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from bot.cli import build_parser
from bot.config import load_settings
from bot.server import build_app
from tests.guide import Section

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder, which is the working directory; `environment` is the shell's."""

    folder: Path
    environment: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @asynccontextmanager
    async def following(self, chapter: Section, account: Mapping[str, str]) -> AsyncIterator[str]:
        """Write the chapter's configuration down, give the account by environment, serve; yield our address."""
        (self.folder / "config.toml").write_text(chapter.block("toml"), "utf-8")
        listening = socket.create_server(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for name, value in {**account, "DAOGOU_SERVER__PUBLIC_URL": base}.items():
            self.environment.setenv(name, value)
        runner = web.AppRunner(build_app(load_settings()), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            yield base
        finally:
            await runner.cleanup()
            listening.close()

    async def types(self, command: str) -> str:
        """Run a command as it was typed and return what it printed."""
        self.capsys.readouterr()
        args = build_parser().parse_args(shlex.split(command)[1:])
        assert await args.run(args, load_settings(args.config)) == 0, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    async def types_until(self, command: str, words: str) -> str:
        """Run a command again and again until it prints these words, and return what it printed."""
        async with asyncio.timeout(PATIENCE):
            while words not in (printed := await self.types(command)):  # noqa: ASYNC110 (another process changes it)
                await asyncio.sleep(0.5)
        return printed


async def reads(screen: Callable[[], str], words: str) -> None:
    """Return once the words can be read; fail with what is there instead."""
    try:
        async with asyncio.timeout(PATIENCE):
            while words not in screen():  # noqa: ASYNC110 (what it waits for is not ours to announce)
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{words!r} is not in {screen()!r:.2000}")
