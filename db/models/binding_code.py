"""A code that ties a platform account to a member of staff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class BindingCode(TenantRow, Base):
    """One code, kept as its digest; it works once, until `expires_at`."""

    __tablename__ = "binding_codes"
    __table_args__ = (UniqueConstraint("tenant_id", "digest"),)

    digest: Mapped[str] = mapped_column(key_text(64))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_platform: Mapped[str | None] = mapped_column(String(16))
    used_user: Mapped[str | None] = mapped_column(key_text(64))
