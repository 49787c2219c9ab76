"""From a decoded update to a committed row, many at once.

    put ─→ the batch that gathers while the last one commits ─→ one transaction ─→ every caller is told
                      │ the database does not answer in time
                      └─→ spool, synced ─→ every caller is told ─→ drained later, oldest first

A commit costs the same for one row as for fifty. So what arrives during a commit shares the next one: alone, an
update waits for nobody; in a crowd, the disk is asked a few hundred times a second and not once per update.

While anything lies in the spool, what comes goes there too: order within a conversation is worth more than a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
import structlog
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from bot.metrics import Metrics
from db.engine import Database
from db.inbox import NewUpdate, NotKept, receive_many
from db.spool import Spool, Spooled, SpoolFull

log = structlog.get_logger()

MOST_AT_ONCE = 256
DRAIN_SECONDS = 1.0
# After a batch of so many, the next one gathers a little longer: a commit costs far more than a row.
CROWD = 4
GATHER_SECONDS = 0.003
# After a failure the database is left alone for as long, so that not every batch waits for it in vain.
REST_SECONDS = 1.0

UNWRITABLE = (SpoolFull, sqlite3.Error, OSError)
REFUSED = (IntegrityError, DataError, NotKept)
GONE = (SQLAlchemyError, OSError, TimeoutError)
Waiting = tuple[NewUpdate, asyncio.Future[bool]]


class CannotKeep(Exception):
    """Neither the database nor the spool takes an update now; the platform has to keep it itself for a while."""


@dataclass(slots=True)
class Intake:
    """Commits updates in batches; `ring` is called when some have arrived that nobody waits for any more."""

    database: Database
    spool: Spool
    patience: float
    metrics: Metrics
    ring: Callable[[], None]
    _waiting: list[Waiting] = field(default_factory=list)
    _work: asyncio.Task[None] | None = None
    _rests_until: float = 0.0
    _thread: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    async def put(self, update: NewUpdate) -> bool:
        """Return once the update is safe: True when it is new, False when it was seen before.

        Then only it may be acknowledged. `CannotKeep` when neither the database nor the spool takes it now; what
        the database refuses for its content raises the database's error.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((update, future))
        if self._work is None:
            self._work = asyncio.create_task(self._commit_all())
        return await future

    async def _commit_all(self) -> None:
        try:
            crowd = 0
            while self._waiting:
                if crowd >= CROWD:
                    await asyncio.sleep(GATHER_SECONDS)
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                crowd = len(batch)
                await self._commit(batch)
        finally:
            self._work = None

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        """Make the batch safe and tell everybody who waits for it; what cannot be kept does not take others along."""
        try:
            news = await self._keep([update for update, _ in batch])
        except Exception as error:
            if len(batch) > 1 and isinstance(error, REFUSED):
                for one in batch:
                    await self._commit([one])
                return
            if isinstance(error, CannotKeep):
                log.error("intake.not_kept", rows=len(batch), reason=str(error))
            else:
                log.exception("intake.not_kept", rows=len(batch))
            for _, future in batch:
                _tell(future, error)
            return
        for (_, future), new in zip(batch, news, strict=True):
            _tell(future, new)

    async def _keep(self, updates: Sequence[NewUpdate]) -> list[bool]:
        if self.spool.waiting or asyncio.get_running_loop().time() < self._rests_until:
            return await self._into_spool(updates)
        try:
            async with asyncio.timeout(self.patience):
                return await receive_many(self.database, updates)
        except REFUSED:
            raise  # not the database's fault: it would refuse the same later
        except GONE as error:
            self._rests_until = asyncio.get_running_loop().time() + REST_SECONDS
            log.error("intake.database_gone", error=type(error).__name__)
            return await self._into_spool(updates)

    async def _into_spool(self, updates: Sequence[NewUpdate]) -> list[bool]:
        try:
            await anyio.to_thread.run_sync(self.spool.add, updates, limiter=self._thread)
        except UNWRITABLE as error:
            raise CannotKeep(f"{type(error).__name__}: {error}") from error
        self.metrics.spooled.set(self.spool.waiting)
        return [True] * len(updates)

    async def drain(self) -> int:
        """Bring the oldest waiting updates into the database; return how many, 0 while it is gone."""
        if not self.spool.waiting:
            return 0
        spooled = await anyio.to_thread.run_sync(self.spool.first, MOST_AT_ONCE, limiter=self._thread)
        self.metrics.spooled.set(self.spool.waiting)
        if not spooled:
            return 0
        try:
            async with asyncio.timeout(self.patience * 5):
                await receive_many(self.database, [one.update for one in spooled])
        except REFUSED:
            return await self._drain_one_by_one(spooled)
        except GONE as error:
            log.warning("intake.spool_waits", rows=self.spool.waiting, error=type(error).__name__)
            return 0
        log.info("intake.spool_drained", rows=len(spooled))
        await anyio.to_thread.run_sync(self.spool.drop, spooled, limiter=self._thread)
        self.metrics.spooled.set(self.spool.waiting)
        self.ring()
        return len(spooled)

    async def _drain_one_by_one(self, spooled: Sequence[Spooled]) -> int:
        """Bring in what the database takes; what it refuses for good is set aside, for a person to look at."""
        for one in spooled:
            done = partial(self.spool.drop, [one])
            try:
                await receive_many(self.database, [one.update])
            except REFUSED as error:
                log.error("intake.set_aside", spool_id=one.id, error=type(error).__name__)
                done = partial(self.spool.set_aside, one, type(error).__name__)
            await anyio.to_thread.run_sync(done, limiter=self._thread)
        self.metrics.spooled.set(self.spool.waiting)
        self.ring()
        return len(spooled)

    async def keep_draining(self, seconds: float = DRAIN_SECONDS) -> None:
        """Drain whenever something waits, until cancelled; this is the outermost loop."""
        while True:
            try:
                drained = await self.drain()
            except (sqlite3.Error, *GONE):
                log.exception("intake.drain_failed")
                drained = 0
            if not drained:
                await asyncio.sleep(seconds)


def _tell(future: asyncio.Future[bool], result: bool | Exception) -> None:
    if future.done():  # whoever waited has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
