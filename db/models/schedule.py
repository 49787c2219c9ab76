"""When a push goes out."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class Schedule(TenantRow, Base):
    """A push and its local time; a row without a store holds for every store that has no row of its own."""

    __tablename__ = "schedules"

    kind: Mapped[str] = mapped_column(String(16))  # morning | evening
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    at: Mapped[str] = mapped_column(String(5))  # HH:MM in the store's zone
    grace_minutes: Mapped[int] = mapped_column(default=120)
    enabled: Mapped[bool] = mapped_column(default=True)
