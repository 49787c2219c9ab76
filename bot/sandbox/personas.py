"""Who a visitor of the sandbox can be: a clerk, a manager and head office, as they stand in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.models import Member, Staff, StaffIdentity, StaffStore, Store, Tenant

PLATFORMS = ("wecom", "dingtalk")
# The people of store 3, where the demo chain has trouble with payments; any other chain shows its first ones.
PREFERRED = {"clerk": "clerk3a", "manager": "manager3", "hq": "hq1"}
ROLE_NAMES = {"clerk": "店员", "manager": "店长", "hq": "总部"}
ALL_STORES = "全部门店"

GREET = "给会员 {member_id} 写个生日祝福"
CLERK_SAYS = ("今天天气提醒", "最近有什么节日", "我的任务")
LEADER_SAYS = (
    "最近7天各门店GMV、客单价、订单数，按天趋势",
    "这周复购率为什么下降了",
    "给高价值老客做一个促复购活动，预算3万，7天",
    "/帮助",
)


@dataclass(frozen=True, slots=True)
class Persona:
    """A person to play: what the platforms call them, where they work, and sentences worth trying."""

    role: str
    name: str
    store: str
    users: dict[str, str]
    suggestions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "role": self.role,
            "role_name": ROLE_NAMES[self.role],
            "name": self.name,
            "store": self.store,
            "users": self.users,
            "suggestions": list(self.suggestions),
        }


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody a visitor can be, the chain they work for and the day its data stand at."""

    chain: str
    as_of: date | None
    personas: tuple[Persona, ...]


async def load_cast(database: Database, tenant_id: int, today: date) -> Cast:
    """Return the tenant's personas; a role nobody has on both platforms is left out."""
    async with database.read() as session:
        tenant = await session.get_one(Tenant, tenant_id)
        day = tenant.demo_as_of or today
        found = [await _persona(session, tenant_id, role, day) for role in ROLE_NAMES]
    return Cast(tenant.name, tenant.demo_as_of, tuple(persona for persona in found if persona))


async def member_ids(database: Database, tenant_id: int, platform: str) -> list[str]:
    """Return what this platform calls everybody who works here."""
    query = select(StaffIdentity.user_id).where(
        StaffIdentity.tenant_id == tenant_id, StaffIdentity.platform == platform
    )
    async with database.read() as session:
        return list((await session.scalars(query)).all())


async def works_here(database: Database, tenant_id: int, platform: str, user_id: str) -> bool:
    """Whether this platform's user is one of the chain's people."""
    return user_id in await member_ids(database, tenant_id, platform)


async def _persona(session: AsyncSession, tenant_id: int, role: str, day: date) -> Persona | None:
    staff = await _staff(session, tenant_id, role)
    if staff is None:
        return None
    store = await _store(session, staff.id) if role != "hq" else None
    return Persona(
        role=role,
        name=staff.name,
        store=store.name if store else ALL_STORES,
        users=await _users(session, staff.id),
        suggestions=await _clerk_says(session, store, day) if role == "clerk" else LEADER_SAYS,
    )


async def _staff(session: AsyncSession, tenant_id: int, role: str) -> Staff | None:
    """Return the preferred person of this role, else the first one known on every platform."""
    query = (
        select(Staff, StaffIdentity.user_id)
        .join(StaffIdentity, StaffIdentity.staff_id == Staff.id)
        .where(Staff.tenant_id == tenant_id, Staff.role == role, Staff.active)
        .order_by(Staff.id, StaffIdentity.platform)
    )
    rows = (await session.execute(query)).all()
    bound: dict[int, int] = {}
    for staff, _ in rows:
        bound[staff.id] = bound.get(staff.id, 0) + 1
    able = [(staff, user_id) for staff, user_id in rows if bound[staff.id] == len(PLATFORMS)]
    preferred = [staff for staff, user_id in able if user_id == PREFERRED[role]]
    return next(iter([*preferred, *(staff for staff, _ in able)]), None)


async def _store(session: AsyncSession, staff_id: int) -> Store | None:
    query = select(Store).join(StaffStore, StaffStore.store_id == Store.id).where(StaffStore.staff_id == staff_id)
    return (await session.scalars(query.order_by(Store.id).limit(1))).one_or_none()


async def _users(session: AsyncSession, staff_id: int) -> dict[str, str]:
    query = select(StaffIdentity.platform, StaffIdentity.user_id).where(StaffIdentity.staff_id == staff_id)
    return {row.platform: row.user_id for row in (await session.execute(query)).all()}


async def _clerk_says(session: AsyncSession, store: Store | None, day: date) -> tuple[str, ...]:
    member = await _birthday_member(session, store.id, day) if store else None
    greet = (GREET.format(member_id=member.id),) if member else ()
    return (*greet, *CLERK_SAYS)


async def _birthday_member(session: AsyncSession, store_id: int, day: date) -> Member | None:
    """Return a member of the store who may be written to, if possible one whose birthday comes next."""
    query = select(Member).where(Member.store_id == store_id, Member.do_not_disturb.is_(False)).order_by(Member.id)
    soon = (
        query.where(Member.birth_calendar == "solar", Member.birth_month == day.month, Member.birth_day >= day.day)
        .order_by(None)
        .order_by(Member.birth_day, Member.id)
    )
    found: Sequence[Member] = [
        *(await session.scalars(soon.limit(1))).all(),
        *(await session.scalars(query.limit(1))).all(),
    ]
    return next(iter(found), None)
