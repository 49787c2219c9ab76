"""The evening reminder: it names what is left, and nobody whose work is done is written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Store
from handlers.messages import Card
from handlers.task_list import OPEN, REMINDER, TaskLine, task_card, tasks_of
from jobs.due import PushKind
from jobs.outbox_rows import in_transaction, queue_card, queued_for
from jobs.push import Preview, PushOrder, PushParts, PushResult
from jobs.recipients import Clerk, clerks_of

KIND: PushKind = "evening"
TITLE = "{name}，今天还有 {count} 件没做完"
FOOTER = "{day:%m-%d} 晚间提醒 · 做完点一下就好"


async def run_evening(order: PushOrder, parts: PushParts) -> PushResult:
    """Queue one card for each clerk with open tasks of the day; running it again queues nothing."""
    if order.dry_run:
        async with parts.database.read() as session:
            return await _preview(session, order)
    return await in_transaction(parts.database, lambda session: _write(session, order))


async def _write(session: AsyncSession, order: PushOrder) -> PushResult:
    result, cards = await _cards(session, order)
    for clerk, card in cards:
        if clerk.address is None:
            result = replace(result, unreachable=(*result.unreachable, clerk.name))
        elif await queue_card(session, order, KIND, clerk.staff_id, clerk.address, card):
            result = replace(result, queued=result.queued + 1)
        else:
            result = replace(result, already=result.already + 1)
    return result


async def _preview(session: AsyncSession, order: PushOrder) -> PushResult:
    """Return what a run would send; nothing is written."""
    queued = await queued_for(session, order, KIND)
    result, cards = await _cards(session, order)
    for clerk, card in cards:
        if clerk.address is None:
            result = replace(result, unreachable=(*result.unreachable, clerk.name))
            continue
        already = clerk.staff_id in queued
        previews = (*result.previews, Preview(clerk.name, clerk.address.platform, card, already))
        result = replace(result, previews=previews)
        result = replace(result, already=result.already + already, queued=result.queued + (not already))
    return result


async def _cards(session: AsyncSession, order: PushOrder) -> tuple[PushResult, list[tuple[Clerk, Card]]]:
    """Return the clerks who have something left, with their cards."""
    store = await session.get_one(Store, order.store_id)
    clerks = await clerks_of(session, order.tenant_id, order.store_id)
    lines = await tasks_of(session, order.tenant_id, [clerk.staff_id for clerk in clerks], order.due)
    left = [(clerk, _open(lines.get(clerk.staff_id, []), order.store_id)) for clerk in clerks]
    cards = [(clerk, _card(clerk, mine, order.due)) for clerk, mine in left if mine]
    return PushResult(store.id, store.name, KIND, order.due, idle=len(clerks) - len(cards)), cards


def _open(lines: Sequence[TaskLine], store_id: int) -> list[TaskLine]:
    return [line for line in lines if line.store_id == store_id and line.state == OPEN]


def _card(clerk: Clerk, left: Sequence[TaskLine], due: date) -> Card:
    title = TITLE.format(name=clerk.name, count=len(left))
    return task_card(REMINDER, title, left, FOOTER.format(day=due), drafts=False)
