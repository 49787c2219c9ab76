"""Writes that must not be given up because the database is away for a moment.

A message that went out and a row that does not say so is the worst of states: the next process would have to guess.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

log = structlog.get_logger()
T = TypeVar("T")

PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 600.0
GONE = (SQLAlchemyError, OSError, TimeoutError)


async def written(work: Callable[[], Awaitable[T]], patience: float = PATIENCE_SECONDS) -> T:
    """Return what `work` returns, tried every second while the database does not take it.

    What the database refuses for its content is not tried again, nor anything after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await work()
        except (DataError, IntegrityError):
            raise
        except GONE as error:
            if time.monotonic() > deadline:
                raise
            log.warning("database.write_waits", error=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
