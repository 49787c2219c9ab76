"""One exchange from phone to phone: what arrived, what it meant, what was answered, what the platform was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.sandbox.journeys import Journeys
from bot.sandbox.masked import mask
from bot.sandbox.phones import Phones, Shown
from db.engine import Database
from db.models import Inbox, Outbox

LOOKED_AT = 100
TEXT_NAMES = {"press": "按了卡片上的按钮", "enter": "打开了聊天", "other": "发来别的内容"}
PUSHED = "机器人主动推送"


@dataclass(frozen=True, slots=True)
class Exchange:
    """An update with the messages that answered it, or a push that nobody asked for."""

    update: Inbox | None
    messages: Sequence[Outbox]


@dataclass(frozen=True, slots=True)
class Tracer:
    """Finds what travelled for one phone."""

    database: Database
    tenant_id: int
    phones: Phones
    journeys: Journeys

    async def trace(self, platform: str, user_id: str, seq: int | None = None) -> dict[str, Any] | None:
        """Return the exchange that made this bubble, or the phone's newest one; None when there was none."""
        bubble = next((one for one in self.phones.screen(platform, user_id) if one.seq == seq), None)
        async with self.database.read() as session:
            exchange = await self._exchange(session, platform, user_id, bubble)
        return self._as_json(exchange, platform, user_id) if exchange else None

    async def _exchange(
        self, session: AsyncSession, platform: str, user_id: str, bubble: Shown | None
    ) -> Exchange | None:
        updates = await self._rows(session, Inbox, platform, user_id)
        messages = await self._rows(session, Outbox, platform, user_id)
        if bubble is None:
            return _newest(updates, messages)
        moment = datetime.fromtimestamp(bubble.updated_at, UTC)
        if bubble.direction == "out":
            return _answered(_nearest(updates, [row.received_at for row in updates], moment), messages)
        sent = [row for row in messages if row.sent_at is not None]
        message = _nearest(sent, [row.sent_at for row in sent if row.sent_at], moment)
        return _around(message, updates, messages) if message else None

    async def _rows(self, session: AsyncSession, model: type[Any], platform: str, user_id: str) -> list[Any]:
        query = select(model).where(
            model.tenant_id == self.tenant_id,
            model.platform == platform,
            model.conversation_key == f"user:{user_id.casefold()}",
        )
        return list((await session.scalars(query.order_by(model.id.desc()).limit(LOOKED_AT))).all())

    def _as_json(self, exchange: Exchange, platform: str, user_id: str) -> dict[str, Any]:
        update = exchange.update
        journey = self.journeys.nearest(platform, user_id, update.received_at) if update else None
        return {
            "what": _what(update),
            "at": (update.received_at if update else exchange.messages[0].created_at).isoformat(),
            "wire": mask(journey.wire) if journey else None,
            "update": mask(update.update) if update else None,
            "reply": [mask(row.message) for row in exchange.messages],
            "payloads": [self._payload(row, platform, user_id) for row in exchange.messages],
        }

    def _payload(self, row: Outbox, platform: str, user_id: str) -> dict[str, Any]:
        """Return what the platform was given; an updated card is shown as the phone has it now."""
        sent = row.payloads
        if row.kind == "card_update" and row.sent_at is not None:
            sent = [one.payload for one in self.phones.screen(platform, user_id) if _is_near(one, row.sent_at)] or sent
        return {"kind": row.kind, "status": row.status, "error": row.error, "payloads": mask(sent)}


def _newest(updates: Sequence[Inbox], messages: Sequence[Outbox]) -> Exchange | None:
    pushes = [row for row in messages if row.inbox_id is None]
    if pushes and (not updates or pushes[0].created_at > updates[0].received_at):
        return _around(pushes[0], updates, messages)
    return _answered(updates[0], messages) if updates else None


def _around(message: Outbox, updates: Sequence[Inbox], messages: Sequence[Outbox]) -> Exchange | None:
    """Return the exchange this message belongs to; what was pushed at one moment belongs together."""
    if message.inbox_id is not None:
        return _answered(next((row for row in updates if row.id == message.inbox_id), None), messages)
    together = [row for row in messages if row.inbox_id is None and row.created_at == message.created_at]
    return Exchange(None, sorted(together, key=_id))


def _answered(update: Inbox | None, messages: Sequence[Outbox]) -> Exchange | None:
    if update is None:
        return None
    return Exchange(update, sorted((row for row in messages if row.inbox_id == update.id), key=_id))


def _id(row: Outbox) -> int:
    return row.id


def _nearest(rows: Sequence[Any], moments: Sequence[datetime], moment: datetime) -> Any | None:
    pairs = zip(rows, moments, strict=True)
    best = min(pairs, key=lambda pair: abs(pair[1] - moment), default=None)
    return best[0] if best else None


def _is_near(shown: Shown, sent_at: datetime) -> bool:
    return shown.direction == "in" and abs(shown.updated_at - sent_at.timestamp()) < 1.0


def _what(update: Inbox | None) -> str:
    if update is None:
        return PUSHED
    kind, text = update.update.get("kind"), str(update.update.get("text") or "")
    return TEXT_NAMES.get(str(kind), text)
