"""Counts what a platform meters, in memory; written to the database every few seconds.

What was counted since the last writing is lost with a process that dies: the count informs, nothing depends on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.engine import Database
from db.usage import UsageKey, add_usage

log = structlog.get_logger()

# Both platforms count by China's calendar.
ZONE = ZoneInfo("Asia/Shanghai")


def month_of(moment: datetime) -> str:
    """Return the month a quota is counted in, such as 2026-11."""
    return f"{moment.astimezone(ZONE):%Y-%m}"


class UsageCounter:
    """The counts of this process that are not written yet."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._counts: Counter[UsageKey] = Counter()

    def count(self, tenant_id: int, platform: str, what: str) -> None:
        """Count one call (`calls`) or one update (`received`)."""
        self._counts[tenant_id, platform, what, month_of(self._clock())] += 1

    async def flush(self) -> None:
        """Write what was counted; while the database is gone it is kept."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await add_usage(self._database, counts)
        except (SQLAlchemyError, OSError) as error:
            self._counts.update(counts)
            log.warning("usage.not_written", error=type(error).__name__)
