"""What was uploaded to a platform and may be used again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class Media(TenantRow, Base):
    """One upload: the digest of its bytes and what the platform calls it until `expires_at`."""

    __tablename__ = "media"
    __table_args__ = (UniqueConstraint("tenant_id", "account", "kind", "digest"),)

    account: Mapped[str] = mapped_column(key_text(96))
    kind: Mapped[str] = mapped_column(String(8))  # image | file
    digest: Mapped[str] = mapped_column(key_text(64))
    reference: Mapped[str] = mapped_column(String(512))
    expires_at: Mapped[datetime]
