"""Who gets a store's pushes, and where: each active clerk, on the platform where they last wrote.

A clerk who has not written yet is reached on the account that was bound first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Conversation, Staff, StaffIdentity, StaffStore
from handlers.messages import Address


@dataclass(frozen=True, slots=True)
class Clerk:
    """A clerk of the store; without an address, nobody has bound a platform account yet."""

    staff_id: int
    name: str
    address: Address | None


async def clerks_of(session: AsyncSession, tenant_id: int, store_id: int) -> list[Clerk]:
    """Return the store's active clerks by id."""
    query = (
        select(Staff.id, Staff.name)
        .join(StaffStore, StaffStore.staff_id == Staff.id)
        .where(
            Staff.tenant_id == tenant_id,
            StaffStore.tenant_id == tenant_id,
            StaffStore.store_id == store_id,
            Staff.role == "clerk",
            Staff.active,
        )
        .order_by(Staff.id)
    )
    clerks = (await session.execute(query)).all()
    addresses = await _addresses(session, tenant_id, [staff_id for staff_id, _ in clerks])
    return [Clerk(staff_id, name, addresses.get(staff_id)) for staff_id, name in clerks]


async def reached(session: AsyncSession, tenant_id: int, store_ids: Collection[int] | None) -> dict[int, Address]:
    """Return where each active member of staff of these stores, or of the whole chain, is reached, by staff id."""
    query = select(Staff.id).where(Staff.tenant_id == tenant_id, Staff.active).order_by(Staff.id)
    if store_ids is not None:
        query = query.join(StaffStore, StaffStore.staff_id == Staff.id).where(StaffStore.store_id.in_(store_ids))
    return await _addresses(session, tenant_id, list(dict.fromkeys((await session.scalars(query)).all())))


async def _addresses(session: AsyncSession, tenant_id: int, staff_ids: list[int]) -> dict[int, Address]:
    query = (
        select(StaffIdentity.staff_id, StaffIdentity.platform, StaffIdentity.user_id)
        .where(StaffIdentity.tenant_id == tenant_id, StaffIdentity.staff_id.in_(staff_ids))
        .order_by(StaffIdentity.id)
    )
    accounts = [(staff_id, platform, user_id) for staff_id, platform, user_id in (await session.execute(query)).all()]
    wrote = await _last_wrote(session, tenant_id, [user_id for _, _, user_id in accounts])
    chosen: dict[int, Address] = {}
    for staff_id, platform, user_id in sorted(accounts, key=lambda a: _silence(wrote.get((a[1], _chat(a[2]))))):
        chosen.setdefault(staff_id, Address(platform, _chat(user_id), user_id))
    return chosen


async def _last_wrote(
    session: AsyncSession, tenant_id: int, user_ids: Iterable[str]
) -> dict[tuple[str, str], datetime]:
    """Return when each one-to-one chat was last used, by platform and conversation."""
    query = select(Conversation.platform, Conversation.key, Conversation.updated_at).where(
        Conversation.tenant_id == tenant_id, Conversation.key.in_([_chat(user_id) for user_id in user_ids])
    )
    return {(platform, key): updated_at for platform, key, updated_at in (await session.execute(query)).all()}


def _silence(wrote: datetime | None) -> float:
    """Order accounts: the latest chat first; the sort keeps the others in the order in which they were bound."""
    return -wrote.timestamp() if wrote else 0.0


def _chat(user_id: str) -> str:
    """Return the conversation of one person, as the platforms' decoders name it."""
    return f"user:{user_id.casefold()}"
