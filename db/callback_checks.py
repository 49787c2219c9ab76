"""When each channel of a tenant was last reached by its platform, and last turned somebody away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import CallbackCheck

REASON_CHARS = 64


@dataclass(slots=True)
class Reach:
    """What is new about one channel, as it is noted; None leaves what is known."""

    tenant_id: int
    channel: str
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    reason: str | None = None


async def note_reach(session: AsyncSession, reach: Reach) -> None:
    """Write what is new over what was known."""
    news = {"accepted_at": reach.accepted_at, "rejected_at": reach.rejected_at}
    values: dict[str, Any] = {name: value for name, value in news.items() if value is not None}
    if reach.reason is not None:
        values["reason"] = reach.reason[:REASON_CHARS]
    mine = (CallbackCheck.tenant_id == reach.tenant_id, CallbackCheck.channel == reach.channel)
    for _ in range(2):
        result: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
            update(CallbackCheck).where(*mine).values(**values)
        )
        key = {"tenant_id": reach.tenant_id, "channel": reach.channel}
        if result.rowcount or await insert_new(session, CallbackCheck, key | values) is not None:
            return


async def reaches(session: AsyncSession, tenant_id: int) -> Sequence[CallbackCheck]:
    """Return what is known of every channel of a tenant."""
    return (await session.scalars(select(CallbackCheck).where(CallbackCheck.tenant_id == tenant_id))).all()
