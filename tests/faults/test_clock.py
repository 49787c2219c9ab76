"""Clocks that jump: no push twice or lost, no lease that ends early, nobody who waits for an hour."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import select

from bot.runtime import utc_now
from bot.steady_clock import SteadyClock
from db.claim import LEASE
from db.engine import Database
from db.inbox import NewUpdate, claim, receive_many
from db.last_tick import swap_last_tick
from db.models import Outbox, Schedule, Store
from handlers.clock import DEFAULT_ZONE
from jobs.due import Slot
from jobs.push import PushParts
from jobs.tick import report_missed, run_due
from knowledge.drafts import Drafts
from knowledge.weather_sample import SampleWeather
from tests.faults.crowd import Crowd
from tests.faults.installation import Installation
from tests.rows import NOW, small_chain

Report = Callable[[object], None]
HOUR = timedelta(hours=1)
TICK = timedelta(minutes=5)


def moments(start: datetime, hours: int, jumps: dict[int, timedelta]) -> Iterator[datetime]:
    """What a clock shows at every tick of some hours; at the ticks of `jumps` somebody sets it."""
    now = start
    for tick in range(int(hours * HOUR / TICK)):
        now += jumps.get(tick, timedelta(0))
        yield now
        now += TICK


@dataclass(frozen=True, slots=True)
class Walk:
    """26 hours of a clock: when a push is due, what it shows first, which days come, how it is set at which tick."""

    at: str
    start: datetime
    days: tuple[date, ...]
    jumps: dict[int, timedelta] = field(default_factory=dict)
    zone: str = DEFAULT_ZONE


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


FIRST, SECOND, NEW_YEAR = date(2026, 11, 21), date(2026, 11, 22), date(2027, 1, 1)
SIX, ELEVEN = utc(2026, 11, 20, 22), utc(2026, 11, 20, 15)  # in Shanghai, in the morning and the evening before
NEW_YORK = "America/New_York"
WALKS = {
    "an hour forward": Walk("08:00", SIX, (FIRST, SECOND), {20: HOUR}),
    "an hour back": Walk("08:00", SIX, (FIRST,), {26: -HOUR}),
    "to and fro": Walk("08:00", SIX, (FIRST, SECOND), {20: HOUR, 30: -HOUR, 33: HOUR}),
    "over midnight twice": Walk("00:00", ELEVEN, (FIRST,), {14: -HOUR}),
    "two minutes before midnight, twice": Walk("23:58", ELEVEN, (date(2026, 11, 20),), {14: -HOUR}),
    "the end of the year": Walk("00:00", utc(2026, 12, 31, 12), (NEW_YEAR,)),
    "new year's morning": Walk("08:00", utc(2026, 12, 31, 20), (NEW_YEAR,)),
    "an hour that is skipped": Walk("02:30", utc(2026, 3, 8, 4), (date(2026, 3, 8),), zone=NEW_YORK),
    "an hour that comes twice": Walk("01:30", utc(2026, 11, 1, 3), (date(2026, 11, 1),), zone=NEW_YORK),
}


@pytest.mark.parametrize("name", WALKS)
async def test_a_push_goes_out_once_a_day_however_the_clock_walks(database: Database, name: str) -> None:
    walk = WALKS[name]
    await small_chain(database)
    async with database.write() as session:
        (await session.get_one(Store, 1)).timezone = walk.zone
        session.add(Schedule(tenant_id=1, kind="morning", at=walk.at))
        session.add(Schedule(tenant_id=1, kind="evening", at="12:00", enabled=False))
    parts, finished = PushParts(database, SampleWeather(), Drafts()), set[Slot]()
    for now in moments(walk.start, 26, walk.jumps):
        await run_due(parts, now, finished=finished)
    async with database.read() as session:
        days = (await session.scalars(select(Outbox.due_date).where(Outbox.kind == "morning"))).all()
    assert sorted(days, key=str) == list(walk.days)


async def test_leases_do_not_go_by_the_wall_clock(database: Database) -> None:
    await small_chain(database)
    steady = SteadyClock(utc_now)
    await steady.follow(database)
    await receive_many(database, [NewUpdate(1, "wecom", "m1", "user:a", "{}", NOW)])
    assert len(await claim(database, "a", steady())) == 1
    for step in (HOUR, -HOUR):
        with time_machine.travel(datetime.now(UTC) + step):
            await steady.follow(database)
            assert await claim(database, "b", steady()) == []
    assert len(await claim(database, "b", steady() + LEASE + timedelta(seconds=1))) == 1


async def test_of_a_gap_everybody_looks_into_one_tells(database: Database) -> None:
    """Two processes start after a night: the morning that was missed is told once."""
    await small_chain(database)
    night, noon = datetime(2026, 11, 20, 14, tzinfo=UTC), datetime(2026, 11, 21, 4, tzinfo=UTC)
    assert await swap_last_tick(database, "a", night) is None
    looks = await asyncio.gather(*(swap_last_tick(database, name, noon) for name in "ab"))
    assert sorted(looks, key=str) in ([night, None], [night, noon])
    missed = await report_missed(PushParts(database, SampleWeather(), Drafts()), night, noon)
    assert {(slot.kind, slot.store_id, slot.due_date) for slot in missed} == {
        ("morning", 1, date(2026, 11, 21)),
        ("morning", 2, date(2026, 11, 21)),
    }


async def test_a_server_whose_clock_is_set_under_load(at: Installation, report: Report) -> None:
    """An hour back, the morning becomes due; an hour forward, the evening; nothing comes twice or is done twice."""
    crowd, server = Crowd(at), at.replica("a", schedule={"enabled": True, "tick_seconds": 0.5})
    await schedule(at, morning=timedelta(minutes=-70), grace=45, evening=timedelta(minutes=30))
    await server.start()
    slow = asyncio.create_task(crowd.say_dingtalk(at.people[28], crowd.text("喊慢6")))
    async with crowd.talking(at.people[20:28], "dingtalk"):
        for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
            await asyncio.sleep(1.5)
            server.signal(number)
        await asyncio.sleep(1.5)
    assert await slow
    counts = await at.judge()
    pushed = await pushes(at)
    report(f"{counts}; pushed {dict(pushed)}")
    assert pushed == {("morning", "sent"): len(at.people), ("evening", "sent"): len(at.people)}
    assert counts.accepted == counts.answered
    assert max(line["attempt"] for line in server.logged("dispatch.claimed")) == 1


async def schedule(at: Installation, morning: timedelta, evening: timedelta, grace: int) -> None:
    """Set both pushes to some time from now."""
    local = datetime.now(ZoneInfo(DEFAULT_ZONE))
    async with at.database.write() as session:
        for kind, away in (("morning", morning), ("evening", evening)):
            session.add(Schedule(tenant_id=1, kind=kind, at=f"{local + away:%H:%M}", grace_minutes=grace))


async def pushes(at: Installation) -> Counter[tuple[str, str]]:
    """How many pushes of each kind ended how."""
    async with at.database.read() as session:
        rows = await session.execute(select(Outbox.kind, Outbox.status).where(Outbox.due_date.is_not(None)))
        return Counter((kind, status) for kind, status in rows)
