"""Conversations: one row per chat, its remembered context and its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import Conversation, Message


async def find_conversation(session: AsyncSession, tenant_id: int, platform: str, key: str) -> Conversation | None:
    """Return the chat, or None when nobody has written in it yet."""
    query = select(Conversation).where(
        Conversation.tenant_id == tenant_id, Conversation.platform == platform, Conversation.key == key
    )
    return (await session.scalars(query)).one_or_none()


async def touch_conversation(
    session: AsyncSession,
    tenant_id: int,
    platform: str,
    key: str,
    remember: Mapping[str, Any],
    now: datetime,
    *,
    is_group: bool = False,
) -> Conversation:
    """Return the chat with `remember` merged into its context (None forgets a key), made when it is new."""
    values = {"tenant_id": tenant_id, "platform": platform, "key": key, "is_group": is_group}
    await insert_new(session, Conversation, values | {"context": {}, "updated_at": now})
    row = await find_conversation(session, tenant_id, platform, key)
    if row is None:
        raise LookupError("a conversation that was just written cannot be read")
    row.context = {name: value for name, value in {**row.context, **remember}.items() if value is not None}
    row.updated_at = now
    return row


def log_message(
    session: AsyncSession,
    conversation: Conversation,
    direction: str,
    text: str,
    now: datetime,
    *,
    inbox_id: int | None = None,
    staff_id: int | None = None,
    intent: str | None = None,
) -> None:
    """Add one line to the chat's log."""
    session.add(
        Message(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.id,
            inbox_id=inbox_id,
            direction=direction,
            staff_id=staff_id,
            intent=intent,
            text=text,
            created_at=now,
        )
    )
