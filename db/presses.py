"""The audit of cards: one row for a press that changed a card, one for whoever was refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import CardPress

DETAIL_CHARS = 255


@dataclass(frozen=True, slots=True)
class Press:
    """Who pressed what on which card, and what came of it; `version` is the card's after the press."""

    tenant_id: int
    card_id: int
    user_id: str
    action: str
    outcome: Literal["changed", "refused"]
    version: int
    staff_id: int | None = None
    detail: str = ""


async def log_press(session: AsyncSession, press: Press, now: datetime) -> None:
    """Add the row. Somebody who is refused the same thing again, or a change that is logged, adds nothing."""
    who = press.user_id if press.outcome == "refused" else ""
    key = f"{press.card_id}:{press.version}:{press.action}:{press.outcome}:{who}"
    values = {name: value for name, value in asdict(press).items() if name != "version"}
    changed = {"detail": press.detail[:DETAIL_CHARS], "dedupe_key": key, "pressed_at": now}
    await insert_new(session, CardPress, values | changed)
