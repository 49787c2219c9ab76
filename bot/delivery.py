"""From an outbox row to the platform, with the outcome recorded on the row.

What the platform refuses for good is `failed` with its reason; what it may take later is queued again with a
growing pause; what went out without an answer is `unknown` and left to a person. A card that can no longer be
changed is said again as a new message, so that the person always sees how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.metrics import Metrics
from bot.platforms.base import CardRef, Platform, Receipt, Refused, TryLater, Unknown
from bot.worker import Doorbell, TaskPool
from db import outbox
from db.engine import Database
from db.models import CardRow
from db.outbox import ClaimedMessage
from handlers.codec import load_address, load_part
from handlers.messages import Address, Card, Part, Text
from handlers.plain import as_text

log = structlog.get_logger()

AT_ONCE = 16
MAX_ATTEMPTS = 6
LONGEST_PAUSE = timedelta(minutes=5)
# WeCom drops a double for 1800 s after the first (doc 90236); what was interrupted longer ago is not repeated.
REPEATABLE_FOR = timedelta(minutes=25)
NO_PLATFORM = "这家企业没有配置这个平台"
INTERRUPTED = "发送中断，是否送达未知"
GAVE_UP = "多次重试仍未成功：{reason}"
TOO_LATE = "过了有效时间，没有再发"


@dataclass(frozen=True, slots=True)
class Sent:
    """What travelled and what the platform said to the last of it."""

    payloads: list[dict[str, Any]]
    receipt: Receipt


@dataclass(slots=True)
class Progress:
    """How many payloads of a row have gone out, so that a retry does not repeat them."""

    pieces: int


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Works off the outbox; any number of them may share one database."""

    database: Database
    platforms: Mapping[tuple[int, str], Platform]
    metrics: Metrics
    clock: Callable[[], datetime]
    owner: str
    bell: Doorbell
    pool: TaskPool = field(default_factory=lambda: TaskPool(AT_ONCE))

    async def step(self) -> int:
        """Start on what is due now and return how many rows there were."""
        if not self.pool.room:
            return 0
        claimed = await outbox.claim(self.database, self.owner, self.clock(), self.pool.room)
        for row in claimed:
            self.pool.start(self._deliver(row), self.bell.ring)
        return len(claimed)

    async def _deliver(self, row: ClaimedMessage) -> None:
        """Send one row and write down how it ended."""
        if row.expire_at is not None and self.clock() > row.expire_at:
            await self._settle(row, "expired", error=TOO_LATE)
            return
        progress = Progress(row.pieces_sent)
        try:
            sent = await self._send(row, progress)
        except TryLater as error:
            await self._again(row, error, progress)
        except Unknown as error:
            await self._settle(row, "unknown", error=error.reason)
        except Refused as error:
            await self._settle(row, "failed", error=error.reason)
        except Exception as error:
            log.exception("delivery.failed", outbox_id=row.id)
            await self._again(row, TryLater(f"{type(error).__name__}: {error}"), progress)
        else:
            await self._settle(row, "sent", sent=sent)

    async def _send(self, row: ClaimedMessage, progress: Progress) -> Sent:
        platform = self.platforms.get((row.tenant_id, row.platform))
        if platform is None:
            raise Refused(NO_PLATFORM)
        part = load_part(row.message)
        if row.interrupted and not (platform.may_repeat(part) and self.clock() - row.created_at < REPEATABLE_FOR):
            raise Unknown(INTERRUPTED)
        address, card = load_address(row.address), await self._card_ref(row)
        if row.kind == "card_update" and isinstance(part, Card) and card is not None:
            return await _update_card(platform, address, part, card, row.dedupe_key, progress)
        return await _send_part(platform, address, part, card, row.dedupe_key, progress)

    async def _card_ref(self, row: ClaimedMessage) -> CardRef | None:
        if row.card_id is None:
            return None
        async with self.database.read() as session:
            card = await session.get_one(CardRow, row.card_id)
            return CardRef(card.public_id, card.handle)

    async def _again(self, row: ClaimedMessage, error: TryLater, progress: Progress) -> None:
        if row.attempts >= MAX_ATTEMPTS:
            await self._settle(row, "failed", error=GAVE_UP.format(reason=error.reason))
            return
        pause = min(timedelta(seconds=error.after) * 2 ** (row.attempts - 1), LONGEST_PAUSE)
        async with self.database.write() as session:
            not_before = self.clock() + pause
            await outbox.retry(session, row.id, self.owner, not_before, error.reason, progress.pieces)
        self.metrics.sends.labels(row.platform, row.kind, "retry").inc()
        log.warning("delivery.retry", outbox_id=row.id, attempt=row.attempts, reason=error.reason)

    async def _settle(
        self, row: ClaimedMessage, status: str, *, sent: Sent | None = None, error: str | None = None
    ) -> None:
        values: dict[str, Any] = {"error": error}
        if sent is not None:
            receipt = {"message_id": sent.receipt.message_id, "refused": list(sent.receipt.refused)}
            values |= {"payloads": sent.payloads, "receipt": receipt}
        async with self.database.write() as session:
            ours = await outbox.settle(session, row.id, self.owner, status, self.clock(), **values)
            if ours and sent is not None and sent.receipt.handle and row.card_id is not None:
                card = await session.get_one(CardRow, row.card_id)
                card.handle = {**card.handle, **sent.receipt.handle}
        self.metrics.sends.labels(row.platform, row.kind, status).inc()
        log.info("delivery.settled", outbox_id=row.id, status=status, reason=error)


async def _send_part(
    platform: Platform, address: Address, part: Part, card: CardRef | None, key: str, progress: Progress
) -> Sent:
    """Send the payloads of a part that have not been sent yet; the handle of a card survives a text after it."""
    payloads = platform.render(part, card)
    receipt = Receipt()
    for number in range(progress.pieces, len(payloads)):
        new = await platform.send(address, payloads[number], card, key=f"{key}:{number}")
        receipt = replace(new, handle=new.handle or receipt.handle)
        progress.pieces += 1
    return Sent(payloads, receipt)


async def _update_card(
    platform: Platform, address: Address, content: Card, card: CardRef, key: str, progress: Progress
) -> Sent:
    """Change the card in place; where the platform refuses that, say how it ended in a new message."""
    try:
        receipt = await platform.update_card(address, content, card)
    except Refused as error:
        log.info("delivery.card_is_spent", card=card.public_id, reason=error.reason)
        return await _send_part(platform, address, Text(as_text([content])), None, f"{key}:spent", progress)
    return Sent([{"update": card.public_id}], receipt)
