"""Three servers on one database, broker and Redis: whatever happens to one of them, people notice nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from tests.fakes.dingtalk import WEBHOOK, Planned, until
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.wecom import SEND_PATH
from tests.faults.crowd import Crowd
from tests.faults.installation import LEASE_SECONDS, Installation
from tests.faults.replica import Replica

Report = Callable[[object], None]

STOP_SECONDS = 20.0


@pytest.fixture
async def started(cluster: Installation) -> Installation:
    await asyncio.gather(*(replica.start() for replica in cluster.replicas))
    return cluster


async def test_the_same_message_to_three_at_once_is_answered_once(started: Installation, report: Report) -> None:
    crowd = Crowd(started)

    async def everywhere(user: str) -> list[int]:
        callback = crowd.callback(user, text := crowd.text())
        started.note("wecom", user, text)
        return await asyncio.gather(*(crowd.post_to(replica, callback) for replica in started.replicas))

    assert await asyncio.gather(*map(everywhere, started.people)) == [[200, 200, 200]] * len(started.people)
    counts = await started.judge()
    report(counts)
    assert counts.answered == len(started.people)


async def test_an_acknowledgement_that_got_lost_brings_no_second_answer(started: Installation) -> None:
    crowd, (first, second, _) = Crowd(started), started.replicas
    async with TcpProxy("127.0.0.1", first.port) as proxy:
        proxy.lose_answers()
        for user in started.people[:5]:
            callback = crowd.callback(user, text := crowd.text())
            started.note("wecom", user, text)
            assert await crowd.post_at(f"http://127.0.0.1:{proxy.port}", callback) == 0
            assert await crowd.post_to(second, callback) == 200
    assert (await started.judge()).answered == 5


async def test_messages_of_one_person_are_answered_in_the_order_of_their_arrival(started: Installation) -> None:
    """The first is held up on its way and comes second; and an answer that takes long holds up the next one."""
    crowd, (first, second, third), user = Crowd(started), started.replicas, started.people[0]
    late, early, slow, quick = (crowd.text(what) for what in ("喊", "喊", "喊慢2", "喊"))
    async with TcpProxy("127.0.0.1", first.port) as proxy:
        proxy.delay = 0.5
        held_up = asyncio.create_task(crowd.post_at(f"http://127.0.0.1:{proxy.port}", crowd.callback(user, late)))
        assert await crowd.post_to(second, crowd.callback(user, early)) == 200
        assert await held_up == 200
    for replica, text in ((second, slow), (third, quick)):
        assert await crowd.post_to(replica, crowd.callback(user, text)) == 200
    for text in (early, late, slow, quick):
        started.note("wecom", user, text)
    await started.judge()
    assert [line.text for line in started.heard()] == [early, late, slow, quick]


async def test_one_that_is_killed_under_load_is_stood_in_for(started: Installation, report: Report) -> None:
    crowd, people = Crowd(started), started.people
    async with crowd.talking(people[:20]), crowd.talking(people[20:28], "dingtalk"):
        await asyncio.sleep(1.5)
        started.replicas[0].kill()
        await asyncio.sleep(1.5)
    counts = await started.judge()
    report(counts)
    assert counts.accepted > 28
    assert counts.dead == counts.failed == counts.expired == 0


async def test_a_rolling_restart_under_load_loses_nothing(started: Installation, report: Report) -> None:
    """Not even a DingTalk message whose fate is unknown: each process finishes what it has begun."""
    crowd, people = Crowd(started), started.people
    took = []
    async with crowd.talking(people[:20]), crowd.talking(people[20:28], "dingtalk"):
        for replica in started.replicas:
            watching = asyncio.create_task(last_words(replica))
            took.append(await replica.stop())
            assert 503 in await watching
            await replica.start()
    counts = await started.judge()
    report(f"{counts}; stopped in {', '.join(f'{seconds:.1f} s' for seconds in took)}")
    assert max(took) < STOP_SECONDS
    assert counts.accepted == counts.answered > 28


async def last_words(replica: Replica) -> list[int]:
    """What `/readyz` says until nobody answers."""
    said = []
    while (status := await replica.status("/readyz")) or replica.alive:
        said.append(status)
        await asyncio.sleep(0.05)
    return said


async def test_an_answer_that_takes_too_long_for_the_stop_is_given_by_another(cluster: Installation) -> None:
    crowd, (first, second, _) = Crowd(cluster), cluster.replicas
    first.settings["server"]["drain_seconds"] = 2
    await first.start()
    await crowd.say_wecom(cluster.people[0], crowd.text("喊慢4"))
    await first.until_logged("dispatch.claimed")
    await second.start()
    assert await first.stop() < 4
    assert first.logged("dispatch.set_free")
    counts = await cluster.judge()
    assert counts.answered == 1
    assert second.logged("dispatch.claimed")[0]["attempt"] == 1


async def test_it_stops_in_time_whatever_hangs(at: Installation, report: Report) -> None:
    """An answer that takes a minute, a platform that takes ten seconds, a request that never ends."""
    crowd, server = Crowd(at), at.replica("a", server={"drain_seconds": 4})
    await server.start()
    at.wecom.fail[SEND_PATH].append(10.0)
    for user, what in ((at.people[0], "喊慢60"), (at.people[1], "喊")):
        await crowd.say_wecom(user, crowd.text(what))
    _, hanging = await asyncio.open_connection("127.0.0.1", server.port)
    hanging.write(b"POST /wecom/acme/app HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    await until(lambda: bool(at.heard()), 10)
    took = await server.stop()
    hanging.close()
    report(f"stopped in {took:.1f} s")
    assert took < 4 + 2


async def test_the_same_question_asked_again_after_a_restart_is_answered_again(at: Installation) -> None:
    """WeCom drops a message it was given before (doc 90236): a new process must know that this one is meant."""
    crowd, server, user = Crowd(at), at.replica(), at.people[0]
    text = crowd.text()
    for _ in range(2):
        await server.start()
        assert await crowd.post_to(server, crowd.callback(user, text)) == 200
        await at.settled()
        await server.stop()
    assert [line.text for line in at.heard()] == [text, text]


async def test_one_that_was_frozen_past_its_lease_throws_its_answer_away(cluster: Installation) -> None:
    crowd, (frozen, awake, _) = Crowd(cluster), cluster.replicas
    await frozen.start()
    await crowd.say_wecom(cluster.people[0], crowd.text("喊慢1"))
    await frozen.until_logged("dispatch.claimed")
    frozen.signal(signal.SIGSTOP)
    await awake.start()
    await cluster.settled()
    frozen.signal(signal.SIGCONT)
    await frozen.until_logged("dispatch.fenced")
    assert (await cluster.judge()).answered == 1


@pytest.mark.parametrize("platform", ["wecom", "dingtalk"])
async def test_one_that_was_frozen_while_it_sent_sends_nothing_twice(cluster: Installation, platform: str) -> None:
    """WeCom drops the double of the process that takes over; to DingTalk nothing is repeated that may have arrived."""
    crowd, (frozen, awake, _), user = Crowd(cluster), cluster.replicas, cluster.people[0]
    await frozen.start()
    if platform == "wecom":
        cluster.wecom.fail[SEND_PATH].append(1.0)
        await crowd.say_wecom(user, crowd.text())
    else:
        cluster.dingtalk.plan(WEBHOOK, Planned(200, {"errcode": 0}, delay=1.0, after_work=True))
        await crowd.say_dingtalk(user, crowd.text())
    await until(lambda: bool(cluster.heard()), 10)
    frozen.signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_SECONDS)
    await awake.start()
    await cluster.settled()
    frozen.signal(signal.SIGCONT)
    await frozen.until_logged("delivery.fenced")
    counts = await cluster.judge()
    assert (counts.answered, counts.unknown) == ((1, 0) if platform == "wecom" else (0, 1))
    assert len(cluster.heard()) == 1
