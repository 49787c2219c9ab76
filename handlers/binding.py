"""Binding a platform account to a member of staff by a code the administrator hands out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import BindingCode, Staff, StaffIdentity

ASKED = re.compile(r"^\s*(?:绑定|綁定)\s*(?:码|碼)?\s*[:：]?\s*(\d{6,8})\s*[。.!！]?\s*$")
DIGITS = 6
VALID = timedelta(hours=24)
ATTEMPTS = 20

Digest = Callable[..., str]


class NoCode(Exception):
    """No free code was found; there are too many unused ones."""


def code_in(text: str) -> str | None:
    """Return the code of 「绑定 123456」, None for any other text."""
    found = ASKED.match(text)
    return found[1] if found else None


async def new_code(session: AsyncSession, tenant_id: int, staff_id: int, digest: Digest, now: datetime) -> str:
    """Return a code that binds one account to this person, once, within a day."""
    for _ in range(ATTEMPTS):
        code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        values = {
            "tenant_id": tenant_id,
            "digest": digest("binding", str(tenant_id), code),
            "staff_id": staff_id,
            "created_at": now,
            "expires_at": now + VALID,
        }
        if await insert_new(session, BindingCode, values) is not None:
            return code
    raise NoCode


async def use_code(
    session: AsyncSession, tenant_id: int, people: str, user_id: str, digest: str, now: datetime
) -> Staff | None:
    """Bind the account and return whose it is now; None when the code is unknown, used, or too old.

    The condition in the UPDATE lets a code be used once, whoever else types it at the same moment.
    """
    statement = (
        update(BindingCode)
        .where(
            BindingCode.tenant_id == tenant_id,
            BindingCode.digest == digest,
            BindingCode.used_at.is_(None),
            BindingCode.expires_at > now,
        )
        .values(used_at=now, used_platform=people, used_user=user_id)
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    if result.rowcount != 1:
        return None
    staff_id = await session.scalar(
        select(BindingCode.staff_id).where(BindingCode.tenant_id == tenant_id, BindingCode.digest == digest)
    )
    staff = await session.get_one(Staff, staff_id)
    if not staff.active:
        return None
    await bind(session, tenant_id, staff.id, people, user_id, now)
    return staff


async def bind(session: AsyncSession, tenant_id: int, staff_id: int, people: str, user_id: str, now: datetime) -> bool:
    """Write that this account is this person's; False when the account is bound already."""
    values = {"tenant_id": tenant_id, "staff_id": staff_id, "platform": people, "user_id": user_id}
    return await insert_new(session, StaffIdentity, values | {"created_at": now}) is not None


async def staff_by_mobile(session: AsyncSession, tenant_id: int, mobile_digest: str) -> Staff | None:
    """Return the one active member of staff with this mobile number; nobody when two have it."""
    query = select(Staff).where(Staff.tenant_id == tenant_id, Staff.mobile_digest == mobile_digest, Staff.active)
    found = (await session.scalars(query.limit(2))).all()
    return found[0] if len(found) == 1 else None
