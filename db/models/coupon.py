"""A coupon and the members who hold it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow


class Coupon(TenantRow, Base):
    """A coupon as the CRM knows it; `crm_id` is the CRM's own number."""

    __tablename__ = "coupons"

    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"))
    crm_id: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    type: Mapped[str] = mapped_column(String(16))  # full_reduction | discount | points
    threshold: Mapped[Decimal]
    value: Mapped[Decimal]
    max_redemptions: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(16))  # draft | published | ended


class MemberCoupon(TenantRow, Base):
    """A coupon in one member's hands."""

    __tablename__ = "member_coupons"
    __table_args__ = (Index("ix_member_coupons_expiry", "tenant_id", "expires_at"),)

    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    status: Mapped[str] = mapped_column(String(8))  # issued | used | expired
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    order_id: Mapped[int | None] = mapped_column(BigId)
