"""What a platform sent and we acknowledged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class Inbox(TenantRow, Base):
    """One update; committed before the acknowledgement, finished in the transaction that queues its answer.

    `dedupe_key` is what the platform's page says identifies a delivery. `owner` and `lease_until` are the fence:
    only the worker that holds the lease may finish the row.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("tenant_id", "platform", "dedupe_key"),
        Index("ix_inbox_work", "status", "id"),
        Index("ix_inbox_conversation", "tenant_id", "platform", "conversation_key", "status"),
    )

    platform: Mapped[str] = mapped_column(String(16))
    dedupe_key: Mapped[str] = mapped_column(key_text(191))
    conversation_key: Mapped[str] = mapped_column(key_text(128))
    update: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(8), default="new")  # new | working | done | dead
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
