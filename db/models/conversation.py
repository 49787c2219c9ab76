"""A chat and its log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow, key_text


class Conversation(TenantRow, Base):
    """A chat with one person or one group; `context` carries what a follow-up needs (last plan, last question)."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("tenant_id", "platform", "key"),)

    platform: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(key_text(128))
    is_group: Mapped[bool] = mapped_column(default=False)
    context: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime]


class Message(TenantRow, Base):
    """One line of the log, inbound or outbound, as plain text."""

    __tablename__ = "messages"
    __table_args__ = (Index("ix_messages_conversation", "conversation_id", "id"),)

    conversation_id: Mapped[int] = mapped_column(BigId, ForeignKey("conversations.id"))
    inbox_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("inbox.id"))
    direction: Mapped[str] = mapped_column(String(3))  # in | out
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    intent: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
