"""Nobody was there when a push was due: it is sent late while it is worth something, and told as missed afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from db.last_tick import swap_last_tick
from db.models import Outbox
from tests.fakes.wecom import SEND_PATH
from tests.faults.crowd import Crowd
from tests.faults.installation import Installation
from tests.faults.replica import Replica
from tests.faults.test_clock import pushes, schedule

Report = Callable[[object], None]
TICKING = {"enabled": True, "tick_seconds": 0.5}
FAR = timedelta(hours=-10)
BUSY = {"errcode": -1, "errmsg": "system busy"}


async def served_for_a_while(at: Installation, server: Replica) -> None:
    """Let it tick, and send what it has queued."""
    await server.start()
    await Crowd(at).talk(at.people[:1], 2, pause=1.0)
    await at.settled()
    await server.stop()


async def test_ten_minutes_late_it_is_sent_once(alone: Installation, report: Report) -> None:
    await schedule(alone, morning=timedelta(minutes=-10), evening=FAR, grace=60)
    server = alone.replica("a", schedule=TICKING)
    for _ in range(2):
        await served_for_a_while(alone, server)
    report(f"{await alone.judge()}; pushed {dict(await pushes(alone))}")
    assert await pushes(alone) == {("morning", "sent"): len(alone.people)}
    cards = Counter(user for user in alone.people for shown in alone.wecom.screen(user) if "template_card" in shown)
    assert cards == dict.fromkeys(alone.people, 1)


async def test_three_hours_late_it_is_not_sent_and_said_to_be_missed(alone: Installation, report: Report) -> None:
    await schedule(alone, morning=timedelta(hours=-3), evening=FAR, grace=120)
    await swap_last_tick(alone.database, "yesterday's process", datetime.now(UTC) - timedelta(hours=4))
    server = alone.replica("a", schedule=TICKING)
    for _ in range(2):
        await served_for_a_while(alone, server)
    missed = server.logged("push.missed")
    report(f"missed: {[(line['kind'], line['stores']) for line in missed]}")
    assert [(line["tenant_id"], line["kind"], line["stores"]) for line in missed] == [(1, "morning", 1)]
    assert await pushes(alone) == {}


async def test_what_was_queued_and_came_too_late_ends_as_expired(alone: Installation, report: Report) -> None:
    """WeCom is down at eight, the server goes down too and comes back in the afternoon."""
    await schedule(alone, morning=timedelta(minutes=-10), evening=FAR, grace=60)
    alone.wecom.fail[SEND_PATH] += [BUSY] * 500
    server = alone.replica("a", schedule=TICKING)
    await server.start()
    await server.until_logged("delivery.retry")
    server.kill()
    await server.died()
    async with alone.database.write() as session:
        await session.execute(update(Outbox).values(expire_at=datetime.now(UTC) - timedelta(hours=1)))
    alone.wecom.fail.clear()
    await alone.replica("b").start()
    await alone.settled()
    ended = await pushes(alone)
    report(f"pushed {dict(ended)}")
    assert ended == {("morning", "expired"): len(alone.people)}
    assert len(alone.replicas[1].logged("delivery.settled")) == len(alone.people)
    assert alone.wecom.screen(alone.people[0]) == []
