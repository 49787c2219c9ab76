"""How much of a platform's monthly quota is used."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class Usage(TenantRow, Base):
    """Calls made (`calls`) or updates received (`received`) by one account in one month of China's calendar."""

    __tablename__ = "usage_counts"
    __table_args__ = (UniqueConstraint("tenant_id", "platform", "what", "month"),)

    platform: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(8))  # calls | received
    month: Mapped[str] = mapped_column(String(7))  # 2026-11
    count: Mapped[int] = mapped_column(BigInteger, default=0)
