"""Text shown in a stream while it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.aibot.snapshot import cut
from db.streams import Streams

log = structlog.get_logger()

# Polls come about once a second; writing more often shows nothing more.
PACE_SECONDS = 0.5


class StreamLive:
    """Writes the text so far where the next poll finds it, until the piece of `key` takes its place."""

    def __init__(
        self,
        streams: Streams,
        stream: str,
        opened_at: datetime,
        key: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._streams = streams
        self._stream = stream
        self._opened_at = opened_at
        self._key = key
        self._monotonic = monotonic
        self._next = 0.0

    async def show(self, text: str) -> None:
        """Show the whole text so far, at most twice a second."""
        if self._monotonic() < self._next:
            return
        self._next = self._monotonic() + PACE_SECONDS
        try:
            await self._streams.write_live(self._stream, self._opened_at, self._key, cut(text))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("aibot.live_not_written", error=type(error).__name__)
