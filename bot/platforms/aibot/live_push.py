"""Text pushed through the socket while it is written.

Every push counts against the 30 a minute of its conversation (WeCom doc 101463), which the answer itself needs too.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.aibot.connection import Link
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.turns import Turns
from bot.platforms.base import SendError

log = structlog.get_logger()

PACE_SECONDS = 1.0
PUSHES = 15
WINDOW_SECONDS = 60.0
REMEMBERED = 1024


class Pace:
    """How often one conversation may be pushed to: once a second, and half of what WeCom takes in a minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pushed: defaultdict[str, deque[float]] = defaultdict(deque)

    @property
    def remembered(self) -> int:
        """How many conversations are counted."""
        return len(self._pushed)

    def allows(self, conversation: str) -> bool:
        """Whether a push may go out now; it is counted then."""
        now = self._monotonic()
        if len(self._pushed) > REMEMBERED:
            self._forget(now)
        pushed = self._pushed[conversation]
        while pushed and now - pushed[0] >= WINDOW_SECONDS:
            pushed.popleft()
        if len(pushed) >= PUSHES or (pushed and now - pushed[-1] < PACE_SECONDS):
            return False
        pushed.append(now)
        return True

    def _forget(self, now: float) -> None:
        for name in [name for name, pushed in self._pushed.items() if now - pushed[-1] >= WINDOW_SECONDS]:
            del self._pushed[name]


class PushedLive:
    """One text that grows in its stream. A push that is still under way lets the next one pass."""

    def __init__(self, turns: Turns, hints: Hints, link: Callable[[], Link | None], allows: Callable[[], bool]) -> None:
        self._turns = turns
        self._hints = hints
        self._link = link
        self._allows = allows
        self._pushing: asyncio.Task[None] | None = None

    async def show(self, text: str) -> None:
        """Show the whole text so far, unless it is too soon."""
        if (self._pushing is None or self._pushing.done()) and self._allows():
            self._pushing = asyncio.create_task(self._push(text))

    async def _push(self, text: str) -> None:
        try:
            await self._turns.show(self._link(), await self._turns.of(self._hints), text)
        except (SendError, SQLAlchemyError, OSError) as error:
            log.info("aibot.live_not_pushed", error=type(error).__name__)
