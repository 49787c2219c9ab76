"""The ledger of calls that move money."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, TenantRow, key_text


class ActionLog(TenantRow, Base):
    """One call to the CRM, written `pending` before it is made.

    The create row bears the plan's key, the publish row that key with `:publish`; both are unique, so the
    database decides who acts when two people press at once. `owner` and `lease_until` fence a process that died.
    """

    __tablename__ = "action_logs"
    __table_args__ = (UniqueConstraint("tenant_id", "idempotency_key"),)

    idempotency_key: Mapped[str] = mapped_column(key_text(80))
    action: Mapped[str] = mapped_column(String(32))  # create_coupon | publish_coupon
    status: Mapped[str] = mapped_column(String(16))  # pending | succeeded | failed
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(String(500))
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
