"""When a platform last reached us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class CallbackCheck(TenantRow, Base):
    """The last callback of one channel that could be trusted, and the last that could not, with the reason."""

    __tablename__ = "callback_checks"
    __table_args__ = (UniqueConstraint("tenant_id", "channel"),)

    channel: Mapped[str] = mapped_column(String(16))
    accepted_at: Mapped[datetime | None]
    rejected_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(64))
