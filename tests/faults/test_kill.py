"""kill -9 at every step under load: nothing that was acknowledged is lost, nobody is answered twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.checker import unfinished
from tests.fakes.dingtalk import WEBHOOK, Planned
from tests.fakes.wecom import SEND_PATH, Shot
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks
from tests.faults.installation import Installation, behind_proxy
from tests.faults.replica import Replica

Report = Callable[[object], None]

# An event that is logged at a step, and what the step is.
STEPS = {
    "update.received": "after commit, before the acknowledgement",
    "dispatch.claimed": "while it is being answered",
    "dispatch.answered": "after the answer is committed, before it is sent",
    "delivery.sent": "after the send, before it is marked",
    "delivery.settled": "after it is marked",
}
AT = 8


@asynccontextmanager
async def everybody_talking(crowd: Crowd) -> AsyncIterator[None]:
    people = crowd.at.people
    async with crowd.talking(people[:20]), crowd.talking(people[20:28], "dingtalk"):
        yield


async def killed(server: Replica) -> None:
    assert await server.died() == -signal.SIGKILL


async def test_killed_at_every_step_one_after_another(at: Installation, crowd: Crowd, report: Report) -> None:
    server = at.replica()
    async with everybody_talking(crowd):
        for event in STEPS:
            await server.start(event, AT)
            await killed(server)
        await server.start()
    counts = await at.judge()
    report(counts)
    assert counts.accepted >= AT * len(STEPS)
    assert counts.dead == counts.failed == counts.expired == 0


async def test_killed_when_the_platform_has_the_request_and_when_it_has_done_it(
    at: Installation, crowd: Crowd, report: Report
) -> None:
    """Both platforms get the request; WeCom drops the repeated one, of DingTalk's nobody can know."""
    server = at.replica()
    await server.start()
    async with everybody_talking(crowd):
        for done in (False, True):
            at.wecom.fail[SEND_PATH].append(Shot(server.kill, done))
            await killed(server)
            await server.start()
            at.dingtalk.plan(WEBHOOK, Planned(500, after_work=done, fire=server.kill))
            await killed(server)
            await server.start()
    counts = await at.judge()
    report(counts)
    assert counts.unknown >= 2
    assert counts.dead == counts.failed == counts.expired == 0


async def test_killed_while_the_spool_is_brought_in(tmp_path: Path, forks: Forks, report: Report) -> None:
    """The rows are in the database and still in the spool: the next process brings them again, and it shows nowhere."""
    async with behind_proxy(tmp_path, forks) as (at, proxy):
        server, crowd = at.replica(spool={"patience_seconds": 0.5}), Crowd(at)
        await server.start("intake.spool_drained", 1)
        await proxy.refuse()
        await crowd.talk(at.people[:6], 2)
        assert await server.metric("daogou_spooled") == 12
        await proxy.restore()
        await killed(server)
        await server.start()
        counts = await at.judge()
        report(counts)
        assert (counts.accepted, counts.answered) == (12, 12)


async def test_a_message_that_kills_whoever_answers_it_takes_no_other_with_it(
    alone: Installation, report: Report
) -> None:
    """It is given up after five processes; those that were answered beside it are not blamed for its deeds."""
    server, crowd, deaths = alone.replica("a", cluster={"lease_seconds": 1}), Crowd(alone), 0
    await server.start()
    deadly, others = crowd.talk(alone.people[:1], 1, what="喊死"), crowd.talk(alone.people[1:6], 1, what="喊慢1")
    together = asyncio.gather(deadly, others)
    async with asyncio.timeout(90):
        while len(alone.said) < 6 or await unfinished(alone.database):
            if not server.alive:
                deaths += 1
                await killed(server)
                await server.start()
            await asyncio.sleep(0.1)
    await together
    counts = await alone.judge()
    report(f"{counts}; {deaths} processes died")
    assert (counts.dead, counts.answered, deaths) == (1, 5, 5)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_client_whose_acknowledgement_was_lost_repeats_and_is_answered_once(
    at: Installation, crowd: Crowd, lost: int
) -> None:
    server = at.replica()
    callback = crowd.callback(at.people[0], text := crowd.text())
    for _ in range(lost):
        await server.start("update.received", 1)
        assert await crowd.post_to(server, callback) == 0
        await killed(server)
    await server.start()
    assert await crowd.post_to(server, callback) == 200
    at.note("wecom", at.people[0], text)
    assert (await at.judge()).answered == 1
