"""What people thought of an answer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow


class Feedback(TenantRow, Base):
    """A thumb or a rejection on one message; `inbox_id` is the update that brought it."""

    __tablename__ = "feedback"

    message_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("messages.id"))
    inbox_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("inbox.id"), unique=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    verdict: Mapped[str] = mapped_column(String(16))  # good | bad | withdrawn
    reason: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
