"""Messages under answer through the socket: one stream each, pushed and not fetched (WeCom doc 101463).

    nothing for a second       a first frame that says so
    text while it is written   the same stream, replaced
    the first words            the same stream, finished
    what comes after           further messages

What is known of a stream is in its row too: another process must not begin it anew after a finished one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.aibot.acks import AnswerOver, ask
from bot.platforms.aibot.connection import RESPOND, Link
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.snapshot import LIMIT, SEE_CARD, SEE_PICTURE, cut, frame
from bot.platforms.base import Unknown
from db.streams import End, Piece, Streams

log = structlog.get_logger()

REMEMBERED = 4096


@dataclass(slots=True)
class Turn:
    """One message: `first` is when its stream was first pushed, `over` when no frame may follow."""

    stream: str
    request: str
    asked: datetime
    first: datetime | None = None
    over: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Turns:
    """The turns this process knows, and their frames."""

    def __init__(self, streams: Streams, clock: Callable[[], datetime]) -> None:
        self._streams = streams
        self._clock = clock
        self._known: OrderedDict[str, Turn] = OrderedDict()

    async def of(self, hints: Hints) -> Turn:
        """Return the turn of a message."""
        turn = self._known.get(hints.stream)
        if turn is None:
            row = await self._streams.find(hints.stream)
            turn = Turn(hints.stream, hints.request, hints.asked)
            if row is not None:
                turn.first, turn.over = row.opened_at, row.state != "open"
            turn = self._known.setdefault(hints.stream, turn)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return turn

    async def respond(self, link: Link | None, turn: Turn, message: dict[str, Any]) -> None:
        """Send one message of the answer; `AnswerOver` when it has to go another way."""
        async with turn.lock:
            if turn.over:
                await ask(link, RESPOND, message, turn.request)
            elif message["msgtype"] == "markdown":
                await self._push(link, turn, message["markdown"]["content"], finish=True)
            else:
                await self._before(link, turn, message["msgtype"])
                await ask(link, RESPOND, message, turn.request)

    async def show(self, link: Link | None, turn: Turn, text: str) -> None:
        """Show text that is not the whole answer yet, if it can be shown now."""
        async with turn.lock:
            if not turn.over and not self.expired(turn):
                await self._push(link, turn, text, finish=False)

    async def end(self, link: Link | None, turn: Turn, text: str) -> None:
        """Finish a stream that was begun, unless its answer is there."""
        async with turn.lock:
            if turn.first is not None and not turn.over:
                await self._push(link, turn, text, finish=True)

    def expired(self, turn: Turn) -> bool:
        """Whether the six minutes of a stream are almost over."""
        return turn.first is not None and self._clock() >= turn.first + LIMIT

    async def _before(self, link: Link | None, turn: Turn, kind: str) -> None:
        """End the stream in front of a card or a picture, which are messages of their own."""
        if turn.first is not None:
            await self._push(link, turn, SEE_CARD if kind == "template_card" else SEE_PICTURE, finish=True)
        else:
            await self._close(turn)

    async def _push(self, link: Link | None, turn: Turn, text: str, *, finish: bool) -> None:
        now = self._clock()
        try:
            await ask(link, RESPOND, frame(turn.stream, cut(text), finish=finish), turn.request)
        except AnswerOver:
            await self._close(turn)
            raise
        except Unknown:
            await self._pushed(turn, now, finish=finish)  # perhaps
            raise
        await self._pushed(turn, now, finish=finish)

    async def _pushed(self, turn: Turn, now: datetime, *, finish: bool) -> None:
        begins, turn.first = turn.first is None, turn.first or now
        if finish:
            await self._close(turn)
        elif begins:
            await self._note(turn, None)

    async def _close(self, turn: Turn) -> None:
        turn.over = True
        await self._note(turn, "closed")

    async def _note(self, turn: Turn, end: End | None) -> None:
        """Write the stream down. What was pushed stays pushed while the database is gone."""
        try:
            await self._streams.fetch(turn.stream, turn.first or turn.asked, "", self._clock(), _none, end)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("aibot.stream_not_noted", error=type(error).__name__)


def _none(_piece: Piece) -> bool:
    return False
