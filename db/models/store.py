"""A shop."""

from __future__ import annotations

from sqlalchemy import Double, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class Store(TenantRow, Base):
    """A shop with its place and hours; `adcode` is the six-digit code of its district."""

    __tablename__ = "stores"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str] = mapped_column(String(64))
    city: Mapped[str] = mapped_column(String(32))
    adcode: Mapped[str] = mapped_column(String(6))
    lat: Mapped[float] = mapped_column(Double)
    lon: Mapped[float] = mapped_column(Double)
    opens_at: Mapped[str] = mapped_column(String(5), default="10:00")
    closes_at: Mapped[str] = mapped_column(String(5), default="22:00")
    timezone: Mapped[str] = mapped_column(String(40), default="Asia/Shanghai")
