"""What we owe a platform."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow, key_text


class Outbox(TenantRow, Base):
    """One message to one recipient.

    A push fills `store_id`, `staff_id`, `kind` and `due_date`; the constraint over them lets a second run or a
    second process queue nothing. A reply leaves `due_date` empty and is unique by its `dedupe_key`.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("tenant_id", "dedupe_key"),
        UniqueConstraint("tenant_id", "store_id", "staff_id", "kind", "due_date"),
        Index("ix_outbox_work", "status", "not_before", "id"),
        Index("ix_outbox_conversation", "tenant_id", "platform", "conversation_key", "status"),
    )

    platform: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))  # reply | card_update | morning | evening
    dedupe_key: Mapped[str] = mapped_column(key_text(191))
    conversation_key: Mapped[str] = mapped_column(key_text(128), default="")
    address: Mapped[dict[str, Any]] = mapped_column(JSON)
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    card_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("cards.id"))
    inbox_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("inbox.id"), index=True)
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    due_date: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(8), default="queued")  # queued|sending|sent|failed|unknown|expired
    attempts: Mapped[int] = mapped_column(default=0)
    pieces_sent: Mapped[int] = mapped_column(default=0)  # of a message that is sent in several
    not_before: Mapped[datetime | None]  # a pause; None for at once
    expire_at: Mapped[datetime | None]
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    payloads: Mapped[list[Any] | None] = mapped_column(JSON)  # what travelled, without credentials
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
