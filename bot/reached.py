"""Notes when platforms reach us, in memory; written every few seconds, for `daogou doctor` and the admin page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.callback_checks import Reach, note_reach
from db.engine import Database

log = structlog.get_logger()


class Reached:
    """What this process has seen and not written yet."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._news: dict[tuple[int, str], Reach] = {}

    def accepted(self, tenant_id: int, channel: str) -> None:
        """Note a callback or frame that could be trusted."""
        self._note(tenant_id, channel).accepted_at = self._clock()

    def rejected(self, tenant_id: int, channel: str, reason: str) -> None:
        """Note one that could not, and why."""
        note = self._note(tenant_id, channel)
        note.rejected_at, note.reason = self._clock(), reason

    async def flush(self) -> None:
        """Write what was noted; while the database is gone, what comes next replaces it."""
        news, self._news = self._news, {}
        if not news:
            return
        try:
            async with self._database.write() as session:
                for key in sorted(news):
                    await note_reach(session, news[key])
        except (SQLAlchemyError, OSError) as error:
            self._news = news | self._news
            log.warning("reached.not_written", error=type(error).__name__)

    def _note(self, tenant_id: int, channel: str) -> Reach:
        return self._news.setdefault((tenant_id, channel), Reach(tenant_id, channel))
