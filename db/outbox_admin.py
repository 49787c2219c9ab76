"""What an administrator does with messages that did not arrive: look, send again, give up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Outbox

STATUSES = ("queued", "sending", "sent", "failed", "unknown", "expired")
ENDED_BADLY = ("failed", "unknown", "expired")


async def list_messages(
    session: AsyncSession, tenant_id: int, statuses: Collection[str], limit: int
) -> Sequence[Outbox]:
    """Return the newest messages in these states."""
    query = select(Outbox).where(Outbox.tenant_id == tenant_id, Outbox.status.in_(statuses))
    return (await session.scalars(query.order_by(Outbox.id.desc()).limit(limit))).all()


async def send_again(session: AsyncSession, tenant_id: int, row_id: int) -> bool:
    """Queue a message that did not arrive once more, from its beginning and without an end; False for any other.

    Whoever does this to an `unknown` one decides that a double is better than nothing.
    """
    values = {
        "status": "queued",
        "attempts": 0,
        "pieces_sent": 0,
        "owner": None,
        "lease_until": None,
        "not_before": None,
        "expire_at": None,
        "error": None,
    }
    return await _change(session, tenant_id, row_id, ENDED_BADLY, values)


async def give_up(session: AsyncSession, tenant_id: int, row_id: int, reason: str) -> bool:
    """End a message that waits, or whose fate is unknown; False for one that was sent or is being sent."""
    values = {"status": "failed", "error": reason, "owner": None, "lease_until": None}
    return await _change(session, tenant_id, row_id, ("queued", "unknown"), values)


async def _change(
    session: AsyncSession, tenant_id: int, row_id: int, statuses: Collection[str], values: dict[str, Any]
) -> bool:
    mine = (Outbox.tenant_id == tenant_id, Outbox.id == row_id, Outbox.status.in_(statuses))
    result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        update(Outbox).where(*mine).values(**values)
    )
    return result.rowcount == 1
