"""The tick: what is due, one store after another; one store's failure is logged and does not stop the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import structlog

from jobs import PUSHES
from jobs.due import DEFAULT_TIMES, PushKind, Slot, due_slots, missed_slots
from jobs.push import PushOrder, PushParts, PushResult

log = structlog.get_logger()


async def run_due(
    parts: PushParts,
    now: datetime,
    *,
    default_times: Mapping[PushKind, str] = DEFAULT_TIMES,
    finished: set[Slot] | None = None,
) -> list[PushResult]:
    """Run every push that is due and return what each came to.

    `finished` is the caller's memory of slots that went well, kept between ticks so that a slot is worked out once
    and not every half minute of its grace. It is an economy only: without it, and after a restart, the database
    still lets nothing be queued twice. A slot that failed is not in it and is tried again at the next tick.
    """
    finished = set() if finished is None else finished
    finished -= {slot for slot in finished if slot.expire_at <= now}
    async with parts.database.read() as session:
        slots = await due_slots(session, now, default_times)
    results = []
    for slot in slots:
        if slot in finished:
            continue
        result = await _run(slot, parts, now)
        if result is not None:
            finished.add(slot)
            results.append(result)
    return results


async def report_missed(
    parts: PushParts, since: datetime, now: datetime, default_times: Mapping[PushKind, str] = DEFAULT_TIMES
) -> list[Slot]:
    """Log, and return, the slots that came and expired between two looks at the schedule."""
    async with parts.database.read() as session:
        slots = await missed_slots(session, since, now, default_times)
    stores = Counter((slot.tenant_id, slot.kind, slot.due_date) for slot in slots)
    for (tenant_id, kind, due), count in sorted(stores.items()):
        log.warning("push.missed", tenant_id=tenant_id, kind=kind, due=due.isoformat(), stores=count)
    return slots


async def _run(slot: Slot, parts: PushParts, now: datetime) -> PushResult | None:
    """Run one push; None when it failed, which is logged."""
    order = PushOrder(slot.tenant_id, slot.store_id, slot.due_date, now, slot.expire_at)
    try:
        result = await PUSHES[slot.kind](order, parts)
    except Exception:
        log.exception("push.failed", kind=slot.kind, tenant_id=slot.tenant_id, store_id=slot.store_id)
        return None
    if result.unreachable:
        log.warning("push.unreachable", kind=slot.kind, store_id=slot.store_id, clerks=len(result.unreachable))
    log.info(
        "push.queued",
        kind=slot.kind,
        tenant_id=slot.tenant_id,
        store_id=slot.store_id,
        due=slot.due_date.isoformat(),
        queued=result.queued,
        already=result.already,
        notes=len(result.notes),
    )
    return result
