"""A customer of the chain."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class Member(TenantRow, Base):
    """A customer; the birthday is kept as the person tells it: month and day in the solar or the lunar calendar."""

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_birthday", "tenant_id", "store_id", "birth_calendar", "birth_month", "birth_day"),
    )

    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    name: Mapped[str] = mapped_column(String(32))
    gender: Mapped[str] = mapped_column(String(8))  # female | male | unknown
    birth_calendar: Mapped[str] = mapped_column(String(5))  # solar | lunar
    birth_year: Mapped[int | None]
    birth_month: Mapped[int]
    birth_day: Mapped[int]
    phone_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary(255))
    level: Mapped[str] = mapped_column(String(16))  # 普通 | 银卡 | 金卡 | 钻石
    total_spent: Mapped[Decimal]
    joined_at: Mapped[datetime]
    first_paid_at: Mapped[datetime | None] = mapped_column(index=True)
    preferences: Mapped[list[str]] = mapped_column(JSON)
    do_not_disturb: Mapped[bool] = mapped_column(default=False)
