"""An article on sale."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class Product(TenantRow, Base):
    """An article; every fact that copy may name (material, price, colours) stands here."""

    __tablename__ = "products"
    __table_args__ = (UniqueConstraint("tenant_id", "sku"),)

    sku: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(64))
    category: Mapped[str] = mapped_column(String(32))
    material: Mapped[str] = mapped_column(String(64))
    price: Mapped[Decimal]
    colors: Mapped[list[str]] = mapped_column(JSON)
    active: Mapped[bool] = mapped_column(default=True)
