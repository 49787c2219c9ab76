"""Thumbs on answers: an answer is known by the delivery key of the question it answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import Feedback, Inbox, Message

REASON_CHARS = 255


async def log_feedback(
    session: AsyncSession,
    *,
    tenant_id: int,
    platform: str,
    about: str,
    inbox_id: int,
    staff_id: int | None,
    verdict: str,
    reason: str,
    now: datetime,
) -> None:
    """Add what somebody thought of the answer to the question with the key `about`; once for each update."""
    answer = (
        select(Message.id)
        .join(Inbox, Inbox.id == Message.inbox_id)
        .where(Inbox.tenant_id == tenant_id, Inbox.platform == platform, Inbox.dedupe_key == about)
        .where(Message.direction == "out")
        .limit(1)
    )
    values = {
        "tenant_id": tenant_id,
        "message_id": await session.scalar(answer),
        "inbox_id": inbox_id,
        "staff_id": staff_id,
        "verdict": verdict,
        "reason": reason[:REASON_CHARS] or None,
        "created_at": now,
    }
    await insert_new(session, Feedback, values)
