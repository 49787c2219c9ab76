"""A plan, the people who launch it and what the ledger says, for tests about launching."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from db.engine import Database
from db.models import ActionLog, Campaign, Coupon
from handlers.turn import Person

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 10, 32, tzinfo=SHANGHAI)
CLERK = Person(1, 1, "店员甲", "clerk", (1,))
MANAGER = Person(2, 1, "店长乙", "manager", (1,))
HQ = Person(3, 1, "总部丙", "hq", (1, 2))

PLAN: dict[str, Any] = {
    "goal": "高价值老客促复购",
    "duration_days": 7,
    "budget": 30000,
    "target_segment": {"definition": "高价值老客，共 412 人", "rules": ["累计消费不低于 ¥2,000"]},
    "offer": {"type": "full_reduction", "threshold": 300, "value": 50, "max_redemptions": 600},
    "channels": ["app_push", "sms", "wechat"],
    "kpi": {"primary": "repeat_rate", "targets": ["复购率提升一成"]},
    "risk_controls": ["每位会员限用 1 次"],
}
# From outside: python -c "hashlib.sha256(json.dumps(PLAN, sort_keys=True).encode()).hexdigest()"
PLAN_KEY = "8b42d1a048397b55ae7031dda529cd2087d0525871e17f527af20b97c4a86035"


def utc_now() -> datetime:
    return datetime.now(UTC)


async def ledger(database: Database) -> list[tuple[str, str, int]]:
    """Action, status and attempts of every ledger row."""
    async with database.read() as session:
        rows = await session.scalars(select(ActionLog).order_by(ActionLog.id))
        return [(row.action, row.status, row.attempts) for row in rows]


async def written(database: Database) -> tuple[int, int]:
    """How many campaigns and coupons stand in our own tables."""
    async with database.read() as session:
        campaigns = await session.scalar(select(func.count()).select_from(Campaign))
        coupons = await session.scalar(select(func.count()).select_from(Coupon))
    return campaigns or 0, coupons or 0
