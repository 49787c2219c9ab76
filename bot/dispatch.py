"""From an inbox row to its answer.

    claim → who is it, what is meant, which handler (bot/answering.py) → one transaction (bot/recording.py):
    inbox done + conversation log + cards + outbox rows → ring the deliverer

A handler that raises is tried again after a pause, five times; then the row is dead with its reason and the
person gets a plain apology. So is a row whose workers died five times. Neither happens in silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.answering import INTENT_NONE, Answered, Answerer
from bot.metrics import Metrics
from bot.recording import Recorder
from bot.worker import Doorbell, TaskPool
from bot.written import written
from db import inbox
from db.claim import LEASE
from db.engine import Database
from db.inbox import ClaimedUpdate, LeaseLost
from handlers.codec import load_update
from handlers.messages import AnyPart, Part, Reply, StreamedText, Text, settle

log = structlog.get_logger()

APOLOGY = "抱歉，这条消息处理失败了，我已经记下来请管理员查看。请稍后再发一次。"
WORN_OUT = "处理它的进程中断了 {count} 次"
AT_ONCE = 16
RETRY_PAUSE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Works off the inbox; any number of them may share one database.

    `steady` is what leases and pauses go by. `bell` wakes this loop, `ring_delivery` a deliverer somewhere.
    """

    database: Database
    answerer: Answerer
    recorder: Recorder
    bell: Doorbell
    ring_delivery: Callable[[], None]
    metrics: Metrics
    steady: Callable[[], datetime]
    owner: str
    lease: timedelta = LEASE
    pool: TaskPool = field(default_factory=lambda: TaskPool(AT_ONCE))
    # The row under way that earlier workers may have died of: one at a time.
    suspects: set[int] = field(default_factory=set)

    async def step(self) -> int:
        """Start on the rows that can be claimed now and return how many there were."""
        if not self.pool.room:
            return 0
        busy, room, now = self.pool.ids, self.pool.room, self.steady()
        claimed = await inbox.claim(self.database, self.owner, now, room, busy=busy, lease=self.lease)
        if not self.suspects and len(claimed) < room:
            claimed += await self._claim_suspect(now)
        for row in claimed:
            self.pool.start(self._guarded(row), self.bell.ring, [row.id])
        return len(claimed)

    async def _claim_suspect(self, now: datetime) -> list[ClaimedUpdate]:
        busy = self.pool.ids
        claimed = await inbox.claim_suspect(self.database, self.owner, now, busy=busy, lease=self.lease)
        self.suspects.update(row.id for row in claimed)
        return claimed

    async def keep_leases(self) -> None:
        """Lengthen the leases of what is being answered."""
        if ids := self.pool.ids:
            await inbox.keep(self.database, ids, self.owner, self.steady(), self.lease)

    async def _guarded(self, row: ClaimedUpdate) -> None:
        """Answer one row; whatever goes wrong stays on that row."""
        started = time.perf_counter()
        try:
            with structlog.contextvars.bound_contextvars(inbox_id=row.id, tenant_id=row.tenant_id):
                await self._answer(row)
        except LeaseLost:
            log.warning("dispatch.fenced", inbox_id=row.id)
        except asyncio.CancelledError:
            await self._set_free(row)
            raise
        except Exception as error:
            log.exception("dispatch.failed", inbox_id=row.id, attempt=row.attempts)
            await self._give_up_or_retry(row, f"{type(error).__name__}: {error}")
        finally:
            self.suspects.discard(row.id)
        self.metrics.answer_seconds.observe(time.perf_counter() - started)
        self.ring_delivery()

    async def _answer(self, row: ClaimedUpdate) -> None:
        if row.worn_out:
            await self._give_up(row, WORN_OUT.format(count=inbox.MAX_ATTEMPTS))
            return
        log.info("dispatch.claimed", attempt=row.attempts)
        update = load_update(row.update)
        answered = await self.answerer.answer(row, update)
        parts = [await self._settled(row, answered, part, n) for n, part in enumerate(answered.reply.parts)]
        await self._write(row, answered, parts, answered.failure)
        self.metrics.answers.labels(answered.reply.intent).inc()
        log.info("dispatch.answered", intent=answered.reply.intent, platform=update.address.platform)

    async def _settled(self, row: ClaimedUpdate, answered: Answered, part: AnyPart, number: int) -> Part:
        """Return the part, a text that is still being written as a whole; where it can, it is shown meanwhile."""
        if not isinstance(part, StreamedText):
            return part
        live = self.recorder.live(row, answered, number)
        if live is None:
            return await settle(part)
        text = ""
        async for chunk in part.chunks:
            text += chunk
            await live.show(text)
        return Text(text, streamed=True)

    async def _write(self, row: ClaimedUpdate, answered: Answered, parts: list[Part], error: str | None = None) -> None:
        async with self.database.write() as session:
            await inbox.finish(session, row, self.owner, self.recorder.clock(), error=error)
            await self.recorder.record(session, row, answered, parts)

    async def _give_up_or_retry(self, row: ClaimedUpdate, error: str) -> None:
        try:
            if row.attempts >= inbox.MAX_ATTEMPTS:
                await self._give_up(row, error)
                return
            pause = RETRY_PAUSE * 2 ** (row.attempts - 1)
            await written(partial(inbox.put_back, self.database, row, self.owner, self.steady(), error, pause))
            asyncio.get_running_loop().call_later(pause.total_seconds(), self.bell.ring)
        except LeaseLost:
            log.warning("dispatch.fenced", inbox_id=row.id)

    async def _give_up(self, row: ClaimedUpdate, error: str) -> None:
        """End the row as dead, with an apology to whoever waits for an answer."""
        apology = Answered(load_update(row.update), Reply.say(INTENT_NONE, APOLOGY))
        await written(partial(self._write, row, apology, [Text(APOLOGY)], error))
        log.error("dispatch.dead", inbox_id=row.id, reason=error)

    async def _set_free(self, row: ClaimedUpdate) -> None:
        """Give a row back at once because this process stops: another one need not wait for the lease."""
        try:
            await inbox.put_back(self.database, row, self.owner, self.steady(), None, timedelta(0))
        except LeaseLost:
            log.warning("dispatch.fenced", inbox_id=row.id)
