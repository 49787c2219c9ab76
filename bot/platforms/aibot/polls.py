"""The answer to a poll: what the stream holds, at once, from the database (WeCom docs 101031, 101039).

answer queued and handed over   finish, and keep what was shown for polls that come after
five and a half minutes gone    finish with a line, what comes later goes another way
else                            what there is so far
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.aibot.decode import PLATFORM
from bot.platforms.aibot.inbound import Poll
from bot.platforms.aibot.other_ways import OtherWays
from bot.platforms.aibot.snapshot import LIMIT, WAITING, first_frame, frame, is_card, snapshot
from db.progress import Progress, Question, find_question, progress_of
from db.streams import End, Streams, StreamView
from handlers.codec import load_update

log = structlog.get_logger()

# A poll comes about once a second; that it came is written down so often.
NOTE_EVERY = timedelta(seconds=5)
REMEMBERED = 4096

UNKNOWN = "这条回答已经过期了，请再问一次。"
NOTHING = "好了。"
NOT_SENT = "这条没能发出来，请稍后再试一次。"
SENT_ALONE = "已经单独发给您了。"
SWITCHED = "还在处理，好了单独发给您。"
TOO_LONG = "这次处理得太久了，请稍后再问一次。"


class Expected:
    """The streams this process began lately: their messages may still wait outside the database while it is gone."""

    def __init__(self) -> None:
        self._began: OrderedDict[str, datetime] = OrderedDict()

    def add(self, stream: str, now: datetime) -> None:
        """Note that a stream was begun."""
        self._began[stream] = now
        self._began.move_to_end(stream)
        if len(self._began) > REMEMBERED:
            self._began.popitem(last=False)

    def has(self, stream: str, now: datetime) -> bool:
        """Whether a stream was begun here and its time is not over."""
        began = self._began.get(stream)
        return began is not None and now < began + LIMIT


@dataclass(frozen=True, slots=True)
class Polls:
    """Answers the polls of one tenant's bot."""

    streams: Streams
    ways: OtherWays
    clock: Callable[[], datetime]
    expected: Expected = field(default_factory=Expected)

    def first(self, stream: str) -> dict[str, Any]:
        """Return the frame that answers a message at once."""
        self.expected.add(stream, self.clock())
        return first_frame(stream)

    async def answer(self, poll: Poll) -> dict[str, Any]:
        """Return the frame to show. While the database is gone the stream goes on waiting."""
        try:
            return await self._frame(poll)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("aibot.poll_without_database", error=type(error).__name__)
            return frame(poll.stream, WAITING, finish=False)

    async def _frame(self, poll: Poll) -> dict[str, Any]:
        database, tenant_id = self.streams.database, self.streams.tenant_id
        question = await find_question(database, tenant_id, PLATFORM, poll.stream)
        if question is None and self.expected.has(poll.stream, self.clock()):
            return frame(poll.stream, WAITING, finish=False)
        if question is None:
            log.info("aibot.unknown_stream")
            return frame(poll.stream, UNKNOWN, finish=True)
        # Before the stream is looked at: whatever was handed over by then is in it.
        progress = await progress_of(database, question, PLATFORM) if question.done else Progress(waiting=True)
        view = await self._fetch(poll, question, self._end(question, progress))
        if view.state == "open":
            return snapshot(view, poll.id, finish=False)
        note = "" if view.state == "closed" or not progress.waiting else self._promise(question)
        return snapshot(view, poll.id, finish=True, note=note, nothing=without_pieces(progress))

    def _end(self, question: Question, progress: Progress) -> End | None:
        if question.done and not progress.waiting:
            return "closed"
        return "switched" if self.clock() >= question.received_at + LIMIT else None

    async def _fetch(self, poll: Poll, question: Question, end: End | None) -> StreamView:
        """Return the stream, changed only where there is something to write down."""
        now, view = self.clock(), await self.streams.find(poll.stream)
        if view is not None and view.asked_at is not None and now - view.asked_at < NOTE_EVERY:
            ends = end is not None and view.state == "open"
            if not ends and not any(is_card(piece) and not piece.shown for piece in view.pieces):
                return view
        return await self.streams.fetch(poll.stream, question.received_at, poll.id, now, is_card, end)

    def _promise(self, question: Question) -> str:
        """Say what becomes of the rest; nothing is promised that cannot be kept."""
        return SWITCHED if self.ways.likely(load_update(question.update).address) else TOO_LONG


def without_pieces(progress: Progress) -> str:
    """Return what a stream ends with where the answer left nothing in it."""
    if progress.failed:
        return NOT_SENT
    return SENT_ALONE if progress.elsewhere else NOTHING
