"""An answer that the platform fetches bit by bit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class Stream(TenantRow, Base):
    """What is shown under one question while WeCom keeps asking for more (aibot, URL mode).

    `pieces` are the parts of the answer that were handed over, by delivery key; `live` is text still being written.
    A stream ends as `closed`, when the whole of it has been fetched, or as `switched`, when its time ran out and
    the rest goes another way; a piece is taken only while it is `open`.
    """

    __tablename__ = "streams"
    __table_args__ = (
        UniqueConstraint("tenant_id", "public_id"),
        Index("ix_streams_open", "tenant_id", "state", "opened_at"),
    )

    public_id: Mapped[str] = mapped_column(key_text(191))
    state: Mapped[str] = mapped_column(String(8), default="open")  # open | closed | switched
    pieces: Mapped[dict[str, Any]] = mapped_column(JSON)
    live: Mapped[str] = mapped_column(Text, default="")
    opened_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
