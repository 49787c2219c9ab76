"""A platform's access token, shared by all replicas."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class AccessTokenRow(TenantRow, Base):
    """The token of one account, sealed. `version` counts renewals; who holds the renewal asks the platform alone."""

    __tablename__ = "access_tokens"
    __table_args__ = (UniqueConstraint("tenant_id", "account"),)

    account: Mapped[str] = mapped_column(key_text(96))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary(2048))
    version: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]
    renewing: Mapped[str | None] = mapped_column(String(64))
    renewing_until: Mapped[datetime | None]
