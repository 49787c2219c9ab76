"""Something only one process may do at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, key_text


class Lease(Base):
    """Who holds `name`, and until when nobody else may take it."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(key_text(96), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
