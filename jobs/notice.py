"""A notice from head office: one text for many, queued once for each of them and each group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db.outbox import NewMessage, queue
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Text

KIND = "notice"
WORTH = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said, and the day it is for: the same words on the same day are the same notice."""

    tenant_id: int
    text: str
    day: date


async def queue_notice(
    session: AsyncSession, notice: Notice, recipients: Mapping[int | str, Address], now: datetime
) -> int:
    """Queue the notice for recipients by staff id or group name; return how many had not got it yet."""
    digest = hashlib.sha256(notice.text.encode()).hexdigest()[:24]
    queued = 0
    for who in sorted(recipients, key=str):
        address = recipients[who]
        message = NewMessage(
            tenant_id=notice.tenant_id,
            platform=address.platform,
            kind=KIND,
            dedupe_key=f"{KIND}:{notice.day}:{digest}:{address.platform}:{who}",
            conversation_key=address.conversation,
            address=dump_address(address),
            message=dump_part(Text(notice.text)),
            staff_id=who if isinstance(who, int) else None,
            expire_at=now + WORTH,
        )
        queued += await queue(session, message, now) is not None
    return queued
