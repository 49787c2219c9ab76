"""Card rows: made before the card is sent, so that a press always finds what its button means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import CardRow


async def new_card(
    session: AsyncSession,
    *,
    tenant_id: int,
    public_id: str,
    platform: str,
    content: dict[str, Any],
    address: dict[str, Any],
    now: datetime,
    conversation_id: int | None = None,
    staff_id: int | None = None,
) -> CardRow:
    """Add the row of a card that is about to be sent; `content` is the neutral card as JSON."""
    row = CardRow(
        tenant_id=tenant_id,
        public_id=public_id,
        platform=platform,
        kind=content["kind_of_card"],
        content=content,
        buttons=buttons_of(content),
        address=address,
        handle={},
        state="open" if content["buttons"] else "done",
        conversation_id=conversation_id,
        staff_id=staff_id,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def find_card(session: AsyncSession, tenant_id: int, public_id: str) -> CardRow | None:
    """Return the tenant's card of this public id."""
    query = select(CardRow).where(CardRow.tenant_id == tenant_id, CardRow.public_id == public_id)
    return (await session.scalars(query)).one_or_none()


def change_card(row: CardRow, content: dict[str, Any], now: datetime) -> None:
    """Give the card new content; buttons it had before keep their meaning for presses on outdated copies."""
    row.buttons = {**row.buttons, **buttons_of(content)}
    row.content = content
    row.state = "open" if content["buttons"] else "done"
    row.version += 1
    row.updated_at = now


def buttons_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each button key means: `{key: {"action", "value"}}`."""
    return {b["key"]: {"action": b["action"], "value": b["value"]} for b in content["buttons"]}


def meaning_of(row: CardRow, key: str) -> dict[str, Any] | None:
    """Return action and value of a pressed key.

    DingTalk appends its index to the id of a button that is bound to an array, so a key that is not known as it
    is gets tried once more without its trailing digits; our own keys never end in one.
    """
    found = row.buttons.get(key) or row.buttons.get(key.rstrip("0123456789"))
    return dict(found) if found else None
