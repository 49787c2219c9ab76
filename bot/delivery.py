"""From an outbox row to the platform, with the outcome recorded on the row.

    claim ─→ too late? ─→ is the rate free? ─→ render ─→ send, piece by piece ─→ sent
                                │                              │
                                └── again, costs no attempt    ├── again, with a growing pause
                                                               └── failed | unknown, with the reason

What went out without an answer is `unknown` and left to a person. A card that can no longer be changed is said
again as a new message, so that the person always sees how it ended. One message for many people goes out in one
call where the platform has one; what became of it stands on every person's own row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from bot.batches import Batch, batches
from bot.channels import Channels
from bot.metrics import Metrics
from bot.platforms.base import Batching, CardRef, Platform, Refused, SendError, TryLater, Unknown
from bot.rate_limits import RateLimits
from bot.retry_policy import Again, GiveUp, after
from bot.sending import Failed, Progress, Sending, SendingToMany, Sent
from bot.worker import Doorbell, TaskPool
from bot.written import written
from db import outbox
from db.claim import LEASE
from db.engine import Database
from db.models import CardRow
from db.outbox import ClaimedMessage
from handlers.codec import load_address, load_part
from handlers.messages import Address, Card, Part

log = structlog.get_logger()

AT_ONCE = 32
# WeCom drops a double for 1800 s after the first (doc 90236); what was interrupted longer ago is not repeated.
REPEATABLE_FOR = timedelta(minutes=25)
# A message that processes die of while they draw or send it must end.
MOST_INTERRUPTIONS = 5
NO_PLATFORM = "这家企业没有配置这个平台"
INTERRUPTED = "发送中断，是否送达未知"
TOO_LATE = "过了有效时间，没有再发"


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Works off the outbox; any number of them may share one database.

    `clock` tells the time of day that is written down, `steady` is what leases and pauses go by.
    """

    database: Database
    platforms: Channels
    limits: RateLimits
    metrics: Metrics
    clock: Callable[[], datetime]
    steady: Callable[[], datetime]
    owner: str
    bell: Doorbell
    lease: timedelta = LEASE
    pool: TaskPool = field(default_factory=lambda: TaskPool(AT_ONCE))

    async def step(self) -> int:
        """Start on what is due now and return how many rows there were."""
        if not self.pool.room:
            return 0
        closed = [key for key, platform in self.platforms.items() if not platform.ready]
        claimed = await outbox.claim(
            self.database,
            self.owner,
            self.steady(),
            self.pool.room,
            busy=self.pool.ids,
            closed=closed,
            lease=self.lease,
        )
        for batch in batches(claimed, self._batch_size):
            ids = [row.id for row in batch.rows]
            self.pool.start(self._deliver(batch), self.bell.ring, ids)
        return len(claimed)

    async def keep_leases(self) -> None:
        """Lengthen the leases of what is being sent."""
        if ids := self.pool.ids:
            await outbox.keep(self.database, ids, self.owner, self.steady(), self.lease)

    def _batch_size(self, row: ClaimedMessage) -> int:
        platform = self.platforms.get((row.tenant_id, row.platform))
        return platform.batch if isinstance(platform, Batching) else 1

    async def _deliver(self, batch: Batch) -> None:
        """Send one row, or one message to the people of several, and write down how each ended."""
        rows = [row for row in batch.rows if not await self._expired(row)]
        if len(rows) > 1:
            await self._deliver_many(rows)
        elif rows:
            await self._deliver_one(rows[0])

    async def _expired(self, row: ClaimedMessage) -> bool:
        # A push is for a time of day; a reply only must not be old, whatever somebody has set the clock to.
        now = self.clock() if row.is_push else min(self.clock(), self.steady())
        if row.expire_at is None or now <= row.expire_at:
            return False
        await self._settle(row, "expired", error=TOO_LATE)
        return True

    async def _deliver_one(self, row: ClaimedMessage) -> None:
        progress = Progress(row.pieces_sent)
        try:
            sent = await self._send(row, progress)
        except SendError as error:
            await self._failed(row, Failed(error, progress.pieces))
        except Exception as error:
            log.exception("delivery.failed", outbox_id=row.id)
            await self._failed(row, Failed(TryLater(f"{type(error).__name__}: {error}"), progress.pieces))
        else:
            log.info("delivery.sent", outbox_id=row.id)
            await self._settle(row, "sent", sent=sent)

    async def _deliver_many(self, rows: Sequence[ClaimedMessage]) -> None:
        platform = self.platforms[rows[0].tenant_id, rows[0].platform]
        by_user = {load_address(row.address).user_id: row for row in rows}
        addresses = [load_address(row.address) for row in by_user.values()]
        sending = SendingToMany(platform, self.limits, addresses, rows[0].dedupe_key)
        for user_id, outcome in (await sending.part(load_part(rows[0].message))).items():
            if isinstance(outcome, Sent):
                await self._settle(by_user[user_id], "sent", sent=outcome)
            else:
                await self._failed(by_user[user_id], outcome)

    async def _send(self, row: ClaimedMessage, progress: Progress) -> Sent:
        platform = self.platforms.get((row.tenant_id, row.platform))
        if platform is None:
            raise Refused(NO_PLATFORM)
        part = load_part(row.message)
        address, card = load_address(row.address), await self._card_ref(row)
        if row.interrupted and not await self._may_repeat(row, platform, part, address):
            raise Unknown(INTERRUPTED)
        sending = Sending(platform, self.limits, address, card, row.dedupe_key, progress, row.is_push)
        if row.kind == "card_update" and isinstance(part, Card) and card is not None:
            return await sending.card_update(part, card)
        return await sending.part(part)

    async def _may_repeat(self, row: ClaimedMessage, platform: Platform, part: Part, address: Address) -> bool:
        """Whether an interrupted send may go out again; a clock that was set forward makes no row too old."""
        if row.attempts > MOST_INTERRUPTIONS or max(self.clock(), self.steady()) - row.created_at >= REPEATABLE_FOR:
            return False
        return await platform.may_repeat(part, address, row.dedupe_key)

    async def _card_ref(self, row: ClaimedMessage) -> CardRef | None:
        if row.card_id is None:
            return None
        async with self.database.read() as session:
            card = await session.get_one(CardRow, row.card_id)
            return CardRef(card.public_id, card.handle)

    async def _failed(self, row: ClaimedMessage, failed: Failed) -> None:
        """Queue the row again or end it, as the policy says."""
        error = failed.error
        then = after(error, row.attempts)
        if isinstance(then, GiveUp):
            await self._settle(row, then.status, error=then.reason)
            return
        await written(partial(self._queue_again, row, failed, then))
        asyncio.get_running_loop().call_later(then.pause.total_seconds(), self.bell.ring)
        self.metrics.sends.labels(row.platform, row.kind, "limited" if then.free else "retry").inc()
        log.info("delivery.retry", outbox_id=row.id, attempt=row.attempts, reason=error.reason)

    async def _queue_again(self, row: ClaimedMessage, failed: Failed, then: Again) -> None:
        async with self.database.write() as session:
            await outbox.retry(
                session,
                row,
                self.owner,
                self.steady() + then.pause,
                failed.error.reason,
                pieces_sent=failed.pieces,
                free=then.free,
            )

    async def _settle(
        self, row: ClaimedMessage, status: str, *, sent: Sent | None = None, error: str | None = None
    ) -> None:
        if not await written(partial(self._write_end, row, status, sent, error)):
            log.warning("delivery.fenced", outbox_id=row.id, status=status)
            return
        self.metrics.sends.labels(row.platform, row.kind, status).inc()
        report = log.warning if error else log.info
        report("delivery.settled", outbox_id=row.id, status=status, reason=error)

    async def _write_end(self, row: ClaimedMessage, status: str, sent: Sent | None, error: str | None) -> bool:
        """Write how it ended; False when another process has taken the row over, whose word counts then."""
        values: dict[str, Any] = {"error": error}
        if sent is not None:
            receipt = {"message_id": sent.receipt.message_id, "refused": list(sent.receipt.refused)}
            values |= {"payloads": sent.payloads, "receipt": receipt}
        async with self.database.write() as session:
            ours = await outbox.settle(session, row, self.owner, status, self.clock(), **values)
            if ours and sent is not None and sent.receipt.handle and row.card_id is not None:
                card = await session.get_one(CardRow, row.card_id)
                card.handle = {**card.handle, **sent.receipt.handle}
        return ours
