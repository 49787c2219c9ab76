"""A piece of written knowledge."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow


class KbDocument(TenantRow, Base):
    """A document with its embedding; the vector index is rebuilt from these rows at any time.

    Tags: metric, diagnosis, campaign, risk, faq, product. `embedding` is float16, named by `embedder`.
    """

    __tablename__ = "kb_documents"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)

    slug: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(128))
    content: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(default=1)
    content_hash: Mapped[str] = mapped_column(String(64))
    embedder: Mapped[str] = mapped_column(String(64))
    embedding: Mapped[bytes] = mapped_column(LargeBinary(16384))
    updated_at: Mapped[datetime]
