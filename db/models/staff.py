"""The people who talk to the bot."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, caseless_text, key_text


class Staff(TenantRow, Base):
    """A person with one role: clerk, manager, regional, hq or admin.

    The mobile number is kept as a keyed digest: enough to recognise who writes, too little to call them.
    """

    __tablename__ = "staff"
    __table_args__ = (Index("ix_staff_mobile", "tenant_id", "mobile_digest"),)

    name: Mapped[str] = mapped_column(String(32))
    role: Mapped[str] = mapped_column(String(16))
    active: Mapped[bool] = mapped_column(default=True)
    mobile_digest: Mapped[str | None] = mapped_column(key_text(64))


class StaffStore(TenantRow, Base):
    """A store this person works in or answers for; hq and admin need no row, they have all stores."""

    __tablename__ = "staff_stores"
    __table_args__ = (UniqueConstraint("staff_id", "store_id"),)

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))


class StaffIdentity(TenantRow, Base):
    """How one platform names this person; `user_id` in the platform's spelling, found in any (WeCom lower-cases)."""

    __tablename__ = "staff_identities"
    __table_args__ = (UniqueConstraint("tenant_id", "platform", "user_id"),)

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    platform: Mapped[str] = mapped_column(String(16))  # wecom | dingtalk
    user_id: Mapped[str] = mapped_column(caseless_text(64))
    created_at: Mapped[datetime]
