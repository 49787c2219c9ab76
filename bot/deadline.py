"""The time a process has for stopping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

CLOSE_SECONDS = 2.0


class Deadline:
    """Counts from the moment the process is asked to stop, or from when somebody first asks what is left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: float | None = None

    def begin(self) -> None:
        """Start to count, unless it has begun."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """Seconds, never less than none."""
        self.begin()
        return max(0.0, (self._ends or 0.0) - time.monotonic())


async def within(seconds: float, work: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait for something at the end, at most so long: what hangs must not keep the process from stopping."""
    try:
        async with asyncio.timeout(seconds):
            await work()
    except TimeoutError:
        log.warning("stop.given_up", what=what)
