"""A piece of work a clerk finds in the morning."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class Task(TenantRow, Base):
    """One thing to do today, with a draft to send; `dedupe_key` lets a second morning run add nothing."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "dedupe_key"),
        Index("ix_tasks_open", "tenant_id", "staff_id", "due_date", "state"),
    )

    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(String(16))  # birthday | weather | holiday
    title: Mapped[str] = mapped_column(String(64))
    draft: Mapped[str] = mapped_column(Text)
    due_date: Mapped[date]
    state: Mapped[str] = mapped_column(String(16), default="open")  # open | done | snoozed | unsuitable | expired
    reason: Mapped[str | None] = mapped_column(String(255))
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    dedupe_key: Mapped[str] = mapped_column(key_text(96))
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
