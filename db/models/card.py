"""A card that was sent, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow, key_text


class CardRow(TenantRow, Base):
    """One card through its states.

    `public_id` is the WeCom task_id and the DingTalk outTrackId. `buttons` keeps every button the card ever
    had, by key, so that a press on an outdated copy still finds its meaning. `handle` is what the platform
    needs for an update (WeCom's response_code).
    """

    __tablename__ = "cards"

    public_id: Mapped[str] = mapped_column(key_text(64), unique=True)
    conversation_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("conversations.id"))
    platform: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    buttons: Mapped[dict[str, Any]] = mapped_column(JSON)
    address: Mapped[dict[str, Any]] = mapped_column(JSON)
    handle: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default="open")  # open | done
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
