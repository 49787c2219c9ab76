"""How far the answer to an update has come: the inbox row that asks, and the outbox rows that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, CursorResult, select, update

from db.engine import Database
from db.models import Inbox, Outbox
from db.outbox import ERROR_CHARS, UNFINISHED

FAILED = ("failed", "unknown", "expired")
# Long enough to write an answer; a process that dies holds the update up for so long.
LEASE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Question:
    """An update that was received; `done` once its answer is queued, or given up."""

    id: int
    done: bool
    update: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """The rows that answer a question: on one channel some `waiting` or `failed`, others that went `elsewhere`."""

    waiting: bool = False
    failed: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class CardUpdate:
    """The row that changes a pressed card, and the fence of whoever took it; not `ours` when a deliverer has it."""

    id: int
    attempts: int
    ours: bool


async def find_question(database: Database, tenant_id: int, platform: str, dedupe_key: str) -> Question | None:
    """Return the update of this key, None when it was never received."""
    query = select(Inbox).where(
        Inbox.tenant_id == tenant_id, Inbox.platform == platform, Inbox.dedupe_key == dedupe_key
    )
    async with database.read() as session:
        row = (await session.scalars(query)).one_or_none()
        return Question(row.id, row.status in {"done", "dead"}, row.update, row.received_at) if row else None


async def progress_of(database: Database, question: Question, platform: str) -> Progress:
    """Return how the answer stands on one channel."""
    query = select(Outbox.platform, Outbox.status).where(Outbox.inbox_id == question.id).distinct()
    async with database.read() as session:
        found = [(where, status) for where, status in (await session.execute(query)).all()]
    here = {status for where, status in found if where == platform}
    return Progress(
        waiting=not here.isdisjoint(UNFINISHED),
        failed=not here.isdisjoint(FAILED),
        elsewhere=any(where != platform for where, _ in found),
    )


async def claim_card_update(
    database: Database, question: Question, platform: str, owner: str, now: datetime
) -> CardUpdate | None:
    """Take the card update that answers a press out of the queue; None when the press changed no card.

    It is `sending` under our lease then: whoever took it ends it, and a process that dies leaves it to the
    deliverer. `now` is what leases go by.
    """
    query = select(Outbox.id, Outbox.status, Outbox.attempts).where(
        Outbox.inbox_id == question.id, Outbox.platform == platform, Outbox.kind == "card_update"
    )
    async with database.read() as session:
        found = (await session.execute(query)).first()
    if found is None or found.status != "queued":
        return CardUpdate(found.id, found.attempts, ours=False) if found else None
    free = (Outbox.id == found.id, Outbox.status == "queued", Outbox.attempts == found.attempts)
    taken = {"status": "sending", "owner": owner, "lease_until": now + LEASE, "attempts": found.attempts + 1}
    ours = await _changed(database, free, taken) == 1
    return CardUpdate(found.id, found.attempts + 1, ours=ours)


async def end_card_update(database: Database, claimed: CardUpdate, owner: str, card: str, now: datetime) -> bool:
    """Write down that the answer to the press showed the card; False when the row is no longer ours."""
    receipt = {"message_id": "", "refused": []}
    sent = {"status": "sent", "lease_until": None, "sent_at": now, "payloads": [{"update": card}], "receipt": receipt}
    return await _changed(database, _fence(claimed, owner), sent) == 1


async def release_card_update(database: Database, claimed: CardUpdate, owner: str, reason: str, now: datetime) -> bool:
    """Leave the update to the deliverer at once; False when the row is no longer ours. `now` is what pauses go by."""
    queued = {"status": "queued", "owner": None, "lease_until": None, "not_before": now, "error": reason}
    return await _changed(database, _fence(claimed, owner), queued) == 1


async def mark_undelivered(
    database: Database, question: Question, platform: str, status: Literal["failed", "unknown"], reason: str
) -> int:
    """Say of what was handed over and never fetched how it really ended; return how many rows that were."""
    handed_over = (Outbox.inbox_id == question.id, Outbox.platform == platform, Outbox.status == "sent")
    return await _changed(database, handed_over, {"status": status, "error": reason[:ERROR_CHARS]})


def _fence(claimed: CardUpdate, owner: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Outbox.id == claimed.id,
        Outbox.owner == owner,
        Outbox.attempts == claimed.attempts,
        Outbox.status == "sending",
    )


async def _changed(database: Database, where: tuple[ColumnElement[bool], ...], values: dict[str, Any]) -> int:
    async with database.write() as session:
        result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
            update(Outbox).where(*where).values(**values)
        )
    return result.rowcount
