"""A retail chain that uses this installation."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, key_text


class Tenant(Base):
    """One chain; `key` stands in callback addresses, `demo_as_of` pins today for seeded data."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(key_text(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    demo_as_of: Mapped[date | None]
    created_at: Mapped[datetime]
