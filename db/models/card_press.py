"""The audit of cards: who pressed what, and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, BigId, TenantRow, key_text


class CardPress(TenantRow, Base):
    """One press that changed a card, or was refused. A press that found its work already done leaves no row."""

    __tablename__ = "card_presses"
    __table_args__ = (UniqueConstraint("tenant_id", "dedupe_key"),)

    card_id: Mapped[int] = mapped_column(BigId, ForeignKey("cards.id"), index=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    user_id: Mapped[str] = mapped_column(key_text(64))
    action: Mapped[str] = mapped_column(String(32))
    outcome: Mapped[str] = mapped_column(String(8))  # changed | refused
    detail: Mapped[str] = mapped_column(String(255), default="")
    dedupe_key: Mapped[str] = mapped_column(key_text(96))
    pressed_at: Mapped[datetime]
