"""Who is it: a platform's user id, or a staff id, to the person with role and scope."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Staff, StaffIdentity, StaffStore, Store
from handlers.turn import CHAIN_WIDE, Person

LARGEST_ID = 2**31 - 1  # what an INTEGER column holds; a driver may refuse to bind more


async def find_person(session: AsyncSession, tenant_id: int, platform: str, user_id: str) -> Person | None:
    """Return the active member of staff this platform user is bound to."""
    query = (
        select(Staff)
        .join(StaffIdentity, StaffIdentity.staff_id == Staff.id)
        .where(
            StaffIdentity.tenant_id == tenant_id,
            StaffIdentity.platform == platform,
            StaffIdentity.user_id == user_id,
            Staff.active,
        )
    )
    staff = (await session.scalars(query)).one_or_none()
    return await _person(session, staff) if staff else None


async def person_by_id(session: AsyncSession, tenant_id: int, staff_id: int) -> Person | None:
    """Return the active member of staff with this id."""
    if not 0 < staff_id <= LARGEST_ID:
        return None
    query = select(Staff).where(Staff.tenant_id == tenant_id, Staff.id == staff_id, Staff.active)
    staff = (await session.scalars(query)).one_or_none()
    return await _person(session, staff) if staff else None


async def first_of_role(session: AsyncSession, tenant_id: int, role: str) -> Person | None:
    """Return the first active member of staff with this role."""
    query = select(Staff).where(Staff.tenant_id == tenant_id, Staff.role == role, Staff.active).order_by(Staff.id)
    staff = (await session.scalars(query.limit(1))).one_or_none()
    return await _person(session, staff) if staff else None


async def _person(session: AsyncSession, staff: Staff) -> Person:
    stores = select(Store.id).where(Store.tenant_id == staff.tenant_id).order_by(Store.id)
    if staff.role not in CHAIN_WIDE:
        stores = stores.join(StaffStore, StaffStore.store_id == Store.id).where(StaffStore.staff_id == staff.id)
    store_ids = tuple((await session.scalars(stores)).all())
    return Person(staff.id, staff.tenant_id, staff.name, staff.role, store_ids)
