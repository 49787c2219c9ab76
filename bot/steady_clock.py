"""The clock leases and pauses go by.

A wall clock steps (NTP, a person, a virtual machine that woke up), and replicas' wall clocks differ. A lease that is
counted by them ends early for somebody and work is done twice. So the moment is the database server's, asked for
now and then, and carried on from there by this machine's monotonic clock. With SQLite, which one machine uses
alone, it is this machine's wall clock at the start of the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import Database

log = structlog.get_logger()

SAMPLES = 3


class SteadyClock:
    """Tells a moment in UTC that never jumps backwards or by hours while the process runs."""

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._moment = wall()
        self._since = monotonic()

    def __call__(self) -> datetime:
        """Return the moment."""
        return self._moment + timedelta(seconds=self._monotonic() - self._since)

    async def follow(self, database: Database) -> None:
        """Take the database server's moment; while it cannot be asked, go on as before."""
        if database.is_sqlite:
            return
        try:
            best = min([await self._ask(database) for _ in range(SAMPLES)])
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("clock.not_followed", error=type(error).__name__)
            return
        _, self._moment, self._since = best

    async def _ask(self, database: Database) -> tuple[float, datetime, float]:
        """Return how long the answer took, the moment in it, and when on our clock that was."""
        async with database.read() as session:
            asked = self._monotonic()
            moment: datetime = (await session.execute(text("SELECT UTC_TIMESTAMP(6)"))).scalar_one()
            answered = self._monotonic()
        return answered - asked, moment.replace(tzinfo=UTC), (asked + answered) / 2
