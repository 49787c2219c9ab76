"""Small rows for tests that need a chain but not forty thousand orders."""

from __future__ import annotations

from datetime import UTC, date, datetime

from db.engine import Database
from db.models import Staff, StaffIdentity, StaffStore, Store, Tenant

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)  # 10:30 in Shanghai


async def small_chain(database: Database, as_of: date | None = None) -> None:
    """Write tenant 1 with two stores; clerk 1 and manager 2 in store 1, hq 3; all bound on both platforms."""
    async with database.write() as session:
        session.add(Tenant(id=1, key="demo", name="测试连锁", demo_as_of=as_of, created_at=NOW))
        await session.flush()
        for number, city in ((1, "上海"), (2, "杭州")):
            session.add(
                Store(id=number, tenant_id=1, name=f"{city}一店", city=city, adcode="310106", lat=31.2, lon=121.4)
            )
        for number, (name, role) in enumerate((("店员甲", "clerk"), ("店长乙", "manager"), ("总部丙", "hq")), 1):
            session.add(Staff(id=number, tenant_id=1, name=name, role=role))
        await session.flush()
        session.add_all(
            [StaffStore(tenant_id=1, staff_id=1, store_id=1), StaffStore(tenant_id=1, staff_id=2, store_id=1)]
        )
        for platform in ("wecom", "dingtalk"):
            for number, user_id in enumerate(("clerk1", "manager1", "hq1"), 1):
                session.add(
                    StaffIdentity(tenant_id=1, staff_id=number, platform=platform, user_id=user_id, created_at=NOW)
                )
