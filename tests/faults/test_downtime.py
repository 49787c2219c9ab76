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


async def test_ten_minutes_late_it_is_sent_once(at: Installation, report: Report) -> None:
    await schedule(at, morning=timedelta(minutes=-10), evening=FAR, grace=60)
    server = at.replica("a", schedule=TICKING)
    for _ in range(2):
        await served_for_a_while(at, server)
    report(f"{await at.judge()}; pushed {dict(await pushes(at))}")
    assert await pushes(at) == {("morning", "sent"): len(at.people)}
    cards = Counter(user for user in at.people for shown in at.wecom.screen(user) if "template_card" in shown)
    assert cards == dict.fromkeys(at.people, 1)


async def test_three_hours_late_it_is_not_sent_and_said_to_be_missed(at: Installation, report: Report) -> None:
    await schedule(at, morning=timedelta(hours=-3), evening=FAR, grace=120)
    await swap_last_tick(at.database, "yesterday's process", datetime.now(UTC) - timedelta(hours=4))
    server = at.replica("a", schedule=TICKING)
    for _ in range(2):
        await served_for_a_while(at, server)
    missed = server.logged("push.missed")
    report(f"missed: {[(line['kind'], line['stores']) for line in missed]}")
    assert [(line["tenant_id"], line["kind"], line["stores"]) for line in missed] == [(1, "morning", 1)]
    assert await pushes(at) == {}


async def test_what_was_queued_and_came_too_late_ends_as_expired(at: Installation, report: Report) -> None:
    """WeCom is down at eight, the server goes down too and comes back in the afternoon."""
    await schedule(at, morning=timedelta(minutes=-10), evening=FAR, grace=60)
    at.wecom.fail[SEND_PATH] += [BUSY] * 500
    server = at.replica("a", schedule=TICKING)
    await server.start()
    await server.until_logged("delivery.retry")
    server.kill()
    await server.died()
    async with at.database.write() as session:
        await session.execute(update(Outbox).values(expire_at=datetime.now(UTC) - timedelta(hours=1)))
    at.wecom.fail.clear()
    await at.replica("b").start()
    await at.settled()
    ended = await pushes(at)
    report(f"pushed {dict(ended)}")
    assert ended == {("morning", "expired"): len(at.people)}
    assert len(at.replicas[1].logged("delivery.settled")) == len(at.people)
    assert at.wecom.screen(at.people[0]) == []
