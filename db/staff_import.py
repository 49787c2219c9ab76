"""Staff from a chain's own list: who is new, who is known already, which account and store is whose.

A line is somebody who is known when one of its accounts or its mobile number is, or else when their stores have one
of that name whom nothing in the line speaks against: so a person on both platforms is one member of staff, however
often the list is read. A line that would join two people is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import Staff, StaffIdentity, StaffStore, Store


class ImportRefused(Exception):
    """A line that cannot be taken; the message is Chinese."""


@dataclass(frozen=True, slots=True)
class StaffLine:
    """One line of the list; `accounts` are user ids by platform, `stores` names."""

    name: str
    role: str
    stores: tuple[str, ...] = ()
    mobile_digest: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)


NO_STORE = "没有叫「{name}」的门店"
TWO_PEOPLE = "这一行可能是员工 {ids} 中的不止一位，请用手机号或账号分清楚"
Outcome = Literal["new", "changed"]


async def take_line(session: AsyncSession, tenant_id: int, line: StaffLine, now: datetime) -> tuple[Outcome, int]:
    """Write one line in the caller's transaction; return whether the person is new, and their id."""
    store_ids = await _store_ids(session, tenant_id, line)
    known = await _known(session, tenant_id, line) or await _namesakes(session, tenant_id, line, store_ids)
    if len(known) > 1:
        raise ImportRefused(TWO_PEOPLE.format(ids="、".join(map(str, sorted(known)))))
    staff = await session.get_one(Staff, known.pop()) if known else Staff(tenant_id=tenant_id)
    outcome: Outcome = "changed" if staff.id else "new"
    staff.name, staff.role, staff.active = line.name, line.role, True
    staff.mobile_digest = line.mobile_digest or staff.mobile_digest
    session.add(staff)
    await session.flush()
    await _set_stores(session, tenant_id, staff.id, store_ids)
    for platform, user_id in line.accounts.items():
        account = {"tenant_id": tenant_id, "staff_id": staff.id, "platform": platform, "user_id": user_id}
        await insert_new(session, StaffIdentity, account | {"created_at": now})
    return outcome, staff.id


async def _store_ids(session: AsyncSession, tenant_id: int, line: StaffLine) -> list[int]:
    rows = await session.execute(
        select(Store.name, Store.id).where(Store.tenant_id == tenant_id, Store.name.in_(line.stores))
    )
    ids = {row.name: row.id for row in rows.all()}
    for name in line.stores:
        if name not in ids:
            raise ImportRefused(NO_STORE.format(name=name))
    return list(ids.values())


async def _known(session: AsyncSession, tenant_id: int, line: StaffLine) -> set[int]:
    """Return who has one of the line's accounts, or its mobile number."""
    known: set[int] = set()
    if line.accounts:
        theirs = or_(
            *(
                (StaffIdentity.platform == platform) & (StaffIdentity.user_id == user_id)
                for platform, user_id in line.accounts.items()
            )
        )
        known |= set(
            await session.scalars(select(StaffIdentity.staff_id).where(StaffIdentity.tenant_id == tenant_id, theirs))
        )
    if line.mobile_digest:
        same = (Staff.tenant_id == tenant_id, Staff.mobile_digest == line.mobile_digest)
        known |= set(await session.scalars(select(Staff.id).where(*same)))
    return known


async def _namesakes(session: AsyncSession, tenant_id: int, line: StaffLine, store_ids: Sequence[int]) -> set[int]:
    """Return who has the name in these stores, without another number or another account than the line's."""
    query = select(Staff.id).where(Staff.tenant_id == tenant_id, Staff.name == line.name)
    theirs = select(StaffStore.staff_id).where(StaffStore.store_id.in_(store_ids))
    query = query.where(Staff.id.in_(theirs)) if store_ids else query.where(~_of_staff(StaffStore))
    if line.mobile_digest:
        query = query.where(Staff.mobile_digest.is_(None))
    if line.accounts:
        query = query.where(~_of_staff(StaffIdentity, StaffIdentity.platform.in_(line.accounts)))
    return set(await session.scalars(query))


def _of_staff(model: type[StaffStore | StaffIdentity], *where: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(model.staff_id == Staff.id, *where)


async def _set_stores(session: AsyncSession, tenant_id: int, staff_id: int, store_ids: list[int]) -> None:
    await session.execute(
        delete(StaffStore).where(StaffStore.staff_id == staff_id, StaffStore.store_id.not_in(store_ids))
    )
    for store_id in store_ids:
        values = {"tenant_id": tenant_id, "staff_id": staff_id, "store_id": store_id}
        await insert_new(session, StaffStore, values)
