"""What a person sees while their answer takes long: a first frame after a second, and in any case an end.

after a second         「正在为您查询…」
answered elsewhere     the stream ends and says so
five and a half minutes   the stream ends, the answer comes as a message of its own
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.aibot.connection import Link
from bot.platforms.aibot.decode import KEY_PREFIX, PLATFORM
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.polls import SWITCHED, without_pieces
from bot.platforms.aibot.snapshot import WAITING
from bot.platforms.aibot.turns import Turn, Turns
from bot.platforms.base import SendError
from db.progress import find_question, progress_of
from db.streams import Streams

log = structlog.get_logger()

# Longer than a message may be answered (doc 101463).
KEPT = timedelta(hours=25)
# Six minutes for the stream, and some for a socket that was away.
GIVE_UP_AFTER = timedelta(minutes=10)
FORGET_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Seconds: before the first frame, and between looks at how the answer stands."""

    first: float = 1.0
    look: float = 2.0


IN_TIME = WatchTiming()


class Watch:
    """Watches the messages of one bot. `link` gives the socket as it is now."""

    def __init__(
        self,
        streams: Streams,
        turns: Turns,
        link: Callable[[], Link | None],
        clock: Callable[[], datetime],
        timing: WatchTiming = IN_TIME,
    ) -> None:
        self._streams = streams
        self._turns = turns
        self._link = link
        self._clock = clock
        self._timing = timing
        self._forget_at: datetime | None = None

    async def __call__(self, hints: Hints) -> None:
        """Watch one message until its stream is over."""
        try:
            await asyncio.sleep(self._timing.first)
            turn = await self._turns.of(hints)
            await self._show(turn)
            while not turn.over and self._clock() < hints.asked + GIVE_UP_AFTER:
                await asyncio.sleep(self._timing.look)
                await self._look(turn)
            await self._forget()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("aibot.watch_ended", error=type(error).__name__)

    async def _show(self, turn: Turn) -> None:
        if turn.over or turn.first is not None:
            return
        try:
            await self._turns.show(self._link(), turn, WAITING)
        except SendError as error:
            log.info("aibot.first_frame_not_shown", reason=error.reason)

    async def _look(self, turn: Turn) -> None:
        """End the stream where nothing more will come into it."""
        text = SWITCHED if self._turns.expired(turn) else await self._ending(turn)
        if text is None:
            return
        try:
            await self._turns.end(self._link(), turn, text)
        except SendError as error:
            log.info("aibot.stream_not_ended", reason=error.reason)
        if turn.first is None:
            turn.over = True

    async def _ending(self, turn: Turn) -> str | None:
        """Return how an answer that left nothing for the stream ends, None while there may be something."""
        question = await find_question(self._streams.database, self._streams.tenant_id, PLATFORM, turn.stream)
        if question is None or not question.done:
            return None
        progress = await progress_of(self._streams.database, question, PLATFORM)
        return None if progress.waiting else without_pieces(progress)

    async def _forget(self) -> None:
        now = self._clock()
        if self._forget_at is None or now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            await self._streams.forget(KEY_PREFIX, now - KEPT)
