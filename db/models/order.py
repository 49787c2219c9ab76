"""A purchase and its lines."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow


class Order(TenantRow, Base):
    """A payment attempt: `paid` counts as an order, `failed` only against payment success.

    `business_date` and `business_hour` are the store's local calendar, written once so that grouping by day
    needs no time-zone arithmetic in SQL and reads the same on every engine.
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_store_day", "tenant_id", "store_id", "business_date"),
        Index("ix_orders_day", "tenant_id", "business_date"),
        Index("ix_orders_member", "tenant_id", "member_id", "business_date"),
    )

    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    channel: Mapped[str] = mapped_column(String(16))  # 门店 | 小程序 | 外卖
    status: Mapped[str] = mapped_column(String(8))  # paid | failed
    total_amount: Mapped[Decimal]
    discount_amount: Mapped[Decimal]
    pay_amount: Mapped[Decimal]
    created_at: Mapped[datetime] = mapped_column(index=True)
    business_date: Mapped[date]
    business_hour: Mapped[int]


class OrderItem(TenantRow, Base):
    """One line of an order; `amount` is quantity times price before the order's discount."""

    __tablename__ = "order_items"

    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("orders.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    price: Mapped[Decimal]
    amount: Mapped[Decimal]
