"""Streams that nobody fetches any more: what they hold goes another way.

WeCom may stop asking before an answer is finished (the window was closed, the network failed). What was handed over
counts as sent, so it is this that keeps it from being lost. One replica sweeps at a time. It sends first and ends
the stream then: after a crash in between the app drops the double, and a response_url works once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import structlog

from bot.platforms.aibot.decode import KEY_PREFIX, PLATFORM
from bot.platforms.aibot.other_ways import OtherWays
from bot.platforms.aibot.snapshot import LIMIT, streamed
from bot.platforms.base import SendError, TryLater, Unknown
from bot.platforms.services import Services
from db.leases import hold
from db.progress import find_question, mark_undelivered, progress_of
from db.streams import Piece, Streams, StreamView
from handlers.codec import load_update

log = structlog.get_logger()

# Without a poll for this long, none will come: they come about once a second.
FORSAKEN_AFTER = timedelta(seconds=30)
LEASE = timedelta(seconds=30)
# A response_url works for an hour, and its use must be known for as long.
KEPT = timedelta(hours=2)
FORGET_EVERY = timedelta(minutes=10)


class Sweep:
    """Sweeps the streams of one tenant."""

    def __init__(self, streams: Streams, ways: OtherWays, services: Services) -> None:
        self._streams = streams
        self._ways = ways
        self._services = services
        self._forget_at: datetime | None = None

    async def __call__(self) -> None:
        """Send what forsaken streams hold; forget streams that are over."""
        services, now = self._services, self._services.clock()
        name = f"aibot-sweep:{services.tenant_id}"
        if not await hold(services.database, name, services.owner, services.steady(), LEASE):
            return
        for view in await self._streams.forsaken(KEY_PREFIX, now - FORSAKEN_AFTER):
            await self._one(view, now)
        if self._forget_at is None or now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            await self._streams.forget(KEY_PREFIX, now - KEPT)

    async def _one(self, view: StreamView, now: datetime) -> None:
        pieces = streamed(view)
        if pieces and not await self._sent(view, pieces):
            return
        if pieces or now >= view.opened_at + LIMIT:
            await self._streams.switch(view.public_id, [piece.key for piece in pieces])

    async def _sent(self, view: StreamView, pieces: Sequence[Piece]) -> bool:
        """Send the pieces; False when more are to come, or when it is to be tried again."""
        database, tenant_id = self._services.database, self._services.tenant_id
        question = await find_question(database, tenant_id, PLATFORM, view.public_id)
        if question is None:
            return True
        if (await progress_of(database, question, PLATFORM)).waiting:
            return False
        try:
            await self._ways.send_all(load_update(question.update).address, pieces, f"sweep:{view.public_id}")
        except TryLater as error:
            log.info("aibot.sweep_later", stream=view.public_id, reason=error.reason)
            return False
        except SendError as error:
            status: Literal["failed", "unknown"] = "unknown" if isinstance(error, Unknown) else "failed"
            await mark_undelivered(database, question, PLATFORM, status, error.reason)
            log.error("aibot.answer_not_fetched", stream=view.public_id, reason=error.reason)
        return True
