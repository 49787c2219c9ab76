"""One card to one clerk, queued once: the outbox row's unique key decides, and the card's row goes with it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from random import uniform
from typing import TypeVar

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from db.cards import new_card
from db.engine import Database
from db.models import Outbox
from db.outbox import NewMessage, queue
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Card
from jobs.due import PushKind
from jobs.push import PushOrder

log = structlog.get_logger()
T = TypeVar("T")

# MySQL: deadlock found, lock wait timeout exceeded. Both ask to run the transaction again.
TRY_AGAIN = frozenset({1213, 1205})
ATTEMPTS = 5
PAUSE_SECONDS = 0.05


async def in_transaction(database: Database, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Return what `work` returns, run in one transaction, which is repeated when the database asks for it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.write() as session:
                return await work(session)
        except DBAPIError as error:
            if _code(error) not in TRY_AGAIN or attempt == ATTEMPTS:
                raise
            log.info("push.try_again", code=_code(error), attempt=attempt)
            await asyncio.sleep(PAUSE_SECONDS * attempt * uniform(0.5, 1.5))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _code(error: DBAPIError) -> int | None:
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


async def queue_card(
    session: AsyncSession, order: PushOrder, kind: PushKind, staff_id: int, address: Address, card: Card
) -> bool:
    """Queue the card in the caller's transaction; False, and nothing written, when this push is already there.

    The outbox row comes first, because it decides; the row of the card follows in the same transaction.
    """
    content = dump_part(card)
    message = NewMessage(
        tenant_id=order.tenant_id,
        platform=address.platform,
        kind=kind,
        dedupe_key=f"push:{kind}:{order.due}:{order.store_id}:{staff_id}",
        conversation_key=address.conversation,
        address=dump_address(address),
        message=content,
        store_id=order.store_id,
        staff_id=staff_id,
        due_date=order.due,
        expire_at=order.expire_at,
    )
    row_id = await queue(session, message, order.now)
    if row_id is None:
        return False
    row = await new_card(
        session,
        tenant_id=order.tenant_id,
        public_id=f"m-{uuid.uuid4().hex}",
        platform=address.platform,
        content=content,
        address=dump_address(address),
        now=order.now,
        staff_id=staff_id,
    )
    await session.execute(update(Outbox).where(Outbox.id == row_id).values(card_id=row.id))
    return True


async def queued_for(session: AsyncSession, order: PushOrder, kind: PushKind) -> set[int]:
    """Return the staff this push is queued for already."""
    query = select(Outbox.staff_id).where(
        Outbox.tenant_id == order.tenant_id,
        Outbox.store_id == order.store_id,
        Outbox.kind == kind,
        Outbox.due_date == order.due,
    )
    return {staff_id for staff_id in (await session.scalars(query)).all() if staff_id is not None}
