"""From an outbox row to the platform, with the outcome recorded on the row.

What the platform refuses for good is `failed` with its reason; what it may take later is queued again with a
growing pause; what went out without an answer is `unknown` and left to a person. A card that can no longer be
changed is said again as a new message, so that the person always sees how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
NO_PLATFORM = "这家企业没有配置这个平台"
INTERRUPTED = "发送中断，是否送达未知"
GAVE_UP = "多次重试仍未成功：{reason}"
TOO_LATE = "过了有效时间，没有再发"


@dataclass(frozen=True, slots=True)
class Sent:
    """What travelled and what the platform said to the last of it."""

    payloads: list[dict[str, Any]]
    receipt: Receipt


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
        try:
            sent = await self._send(row)
        except TryLater as error:
            await self._again(row, error)
        except Unknown as error:
            await self._settle(row, "unknown", error=error.reason)
        except Refused as error:
            await self._settle(row, "failed", error=error.reason)
        except Exception as error:
            log.exception("delivery.failed", outbox_id=row.id)
            await self._again(row, TryLater(f"{type(error).__name__}: {error}"))
        else:
            await self._settle(row, "sent", sent=sent)

    async def _send(self, row: ClaimedMessage) -> Sent:
        platform = self.platforms.get((row.tenant_id, row.platform))
        if platform is None:
            raise Refused(NO_PLATFORM)
        if row.expire_at is not None and self.clock() > row.expire_at:
            raise Refused(TOO_LATE)
        part = load_part(row.message)
        if row.interrupted and not platform.may_repeat(part):
            raise Unknown(INTERRUPTED)
        address, card = load_address(row.address), await self._card_ref(row)
        if row.kind == "card_update" and isinstance(part, Card) and card is not None:
            return await _update_card(platform, address, part, card)
        return await _send_part(platform, address, part, card)

    async def _card_ref(self, row: ClaimedMessage) -> CardRef | None:
        if row.card_id is None:
            return None
        async with self.database.read() as session:
            card = await session.get_one(CardRow, row.card_id)
            return CardRef(card.public_id, card.handle)

    async def _again(self, row: ClaimedMessage, error: TryLater) -> None:
        if row.attempts >= MAX_ATTEMPTS:
            await self._settle(row, "failed", error=GAVE_UP.format(reason=error.reason))
            return
        pause = min(timedelta(seconds=error.after) * 2 ** (row.attempts - 1), LONGEST_PAUSE)
        async with self.database.write() as session:
            await outbox.retry(session, row.id, self.owner, self.clock() + pause, error.reason)
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


async def _send_part(platform: Platform, address: Address, part: Part, card: CardRef | None) -> Sent:
    payloads = platform.render(part, card)
    receipt = Receipt()
    for payload in payloads:
        receipt = await platform.send(address, payload, card)
    return Sent(payloads, receipt)


async def _update_card(platform: Platform, address: Address, content: Card, card: CardRef) -> Sent:
    """Change the card in place; where the platform refuses that, say how it ended in a new message."""
    try:
        receipt = await platform.update_card(address, content, card)
    except Refused as error:
        log.info("delivery.card_is_spent", card=card.public_id, reason=error.reason)
        return await _send_part(platform, address, Text(as_text([content])), None)
    return Sent([{"update": card.public_id}], receipt)
