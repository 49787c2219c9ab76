"""One server process of an installation: started, killed, frozen, asked to stop, and started again on its port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.forks import Child, Forks

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOOK_SECONDS = 0.05


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Replica:
    """A server with a port, a folder and a log of its own; `log` collects over all its lives."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], forks: Forks) -> None:
        self.name = name
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self.log.touch()
        self._settings_file = folder / f"{name}.json"
        self.settings = settings
        self._forks = forks
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    async def start(self, *deadly: object) -> None:
        """Start it and return once it answers; `deadly` is the event, and its number, at which it dies."""
        self.launch(*deadly)
        await self.ready()

    def launch(self, *deadly: object) -> None:
        """Start it."""
        self.settings["server"] |= {"port": self.port}
        self._settings_file.write_text(json.dumps(self.settings), encoding="utf-8")
        self._child = self._forks.start(self._settings_file, self.log, deadly)

    async def ready(self) -> None:
        """Return once it answers."""
        async with asyncio.timeout(START_SECONDS):
            while not await self.status("/readyz"):
                assert self.alive, f"{self.name} ended: {self.said()[-3000:]}"
                await asyncio.sleep(LOOK_SECONDS)

    async def status(self, path: str) -> int:
        """Return the status of a GET, 0 where nothing answers."""
        try:
            async with aiohttp.ClientSession() as http, http.get(self.base + path) as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    async def metric(self, name: str) -> float:
        """Return a value of `/metrics`, named with its labels; 0 where it is not there yet."""
        async with aiohttp.ClientSession() as http, http.get(self.base + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def signal(self, number: int) -> None:
        """Send a signal to it, if it lives."""
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as a machine dies."""
        self.signal(signal.SIGKILL)

    async def died(self, seconds: float = START_SECONDS) -> int:
        """Return its exit code, negative for a signal, once it has ended."""
        async with asyncio.timeout(seconds):
            while self.alive:  # noqa: ASYNC110 (a process that dies tells nobody)
                await asyncio.sleep(LOOK_SECONDS)
        child, self._child = self._child, None
        assert child is not None
        return self._forks.ended(child)

    async def stop(self) -> float:
        """Ask it to stop and return the seconds that took."""
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        assert await self.died(STOP_SECONDS) == 0, self.said()[-3000:]
        return time.monotonic() - started

    async def end(self) -> None:
        """Leave nothing running."""
        if self._child is not None:
            self.kill()
            await self.died()

    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines it has logged of one event."""
        lines = [line for line in self.said().splitlines() if f'"event": "{event}"' in line]
        return [dict(json.loads(line)) for line in lines]

    async def until_logged(self, event: str, seconds: float = START_SECONDS) -> None:
        """Return once it has logged this event."""
        async with asyncio.timeout(seconds):
            while not self.logged(event):  # noqa: ASYNC110 (a line in a file tells nobody)
                await asyncio.sleep(LOOK_SECONDS)

    def rss_mb(self) -> float:
        """Return the memory it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
