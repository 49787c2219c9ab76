"""The additive figures of one store, day and channel."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class DailySales(TenantRow, Base):
    """A rollup row; only additive figures stand here, distinct and windowed metrics read the orders."""

    __tablename__ = "daily_sales"
    __table_args__ = (UniqueConstraint("tenant_id", "store_id", "business_date", "channel"),)

    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    business_date: Mapped[date]
    channel: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    orders: Mapped[int]
    units: Mapped[int]
    total_amount: Mapped[Decimal]
    discount_amount: Mapped[Decimal]
    pay_amount: Mapped[Decimal]
