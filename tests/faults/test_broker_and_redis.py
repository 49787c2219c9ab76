"""Without the broker messages wait for a look into the tables, without Redis each server counts its own share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.cluster import RABBIT_PORT, REDIS_PORT, clustered
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks
from tests.faults.installation import Installation

Report = Callable[[object], None]
Proxied = tuple[Installation, TcpProxy, TcpProxy]

# What a message may take while nobody can be woken by the broker.
SWEPT_SECONDS = 10.0
DEGRADED = 'daogou_degraded{{service="{}"}}'


@pytest.fixture
async def proxied(tmp_path: Path, forks: Forks) -> AsyncIterator[Proxied]:
    """Two servers whose broker and Redis can be taken away."""
    async with (
        TcpProxy("127.0.0.1", RABBIT_PORT) as rabbit,
        TcpProxy("127.0.0.1", REDIS_PORT) as redis,
        clustered(tmp_path, forks, "ab", rabbit.port, redis.port) as at,
    ):
        await asyncio.gather(*(replica.start() for replica in at.replicas))
        yield at, rabbit, redis


async def degraded(at: Installation, service: str) -> list[float]:
    """Which servers say that they stand in for it, 1 for yes."""
    return [await replica.metric(DEGRADED.format(service)) for replica in at.replicas]


@pytest.mark.parametrize("how", ["refuse", "swallow"])
async def test_without_the_broker_everybody_is_answered_within_ten_seconds(
    proxied: Proxied, how: str, report: Report
) -> None:
    at, rabbit, _ = proxied
    crowd = Crowd(at)
    async with crowd.talking(at.people[:20]), crowd.talking(at.people[20:28], "dingtalk"):
        await asyncio.sleep(1)
        await rabbit.refuse() if how == "refuse" else rabbit.swallow()
        await asyncio.sleep(4)
    took = await at.settled(SWEPT_SECONDS)
    assert 1 in await degraded(at, "broker")
    await rabbit.restore()
    async with crowd.talking(at.people[:4]):
        await asyncio.sleep(1)
    counts = await at.judge()
    report(f"{counts}; the last answer after {took:.1f} s")
    assert crowd.refused == []
    assert counts.accepted == counts.answered


async def test_without_redis_each_counts_its_share(proxied: Proxied, report: Report) -> None:
    """Two of them: of WeCom's 30 a minute to one person each sends 15 at most; the others wait and are not lost."""
    at, _, redis = proxied
    crowd, user = Crowd(at), at.people[0]
    await crowd.talk([user], 1)
    assert 1 not in await degraded(at, "redis")
    await redis.refuse()
    for _ in range(34):
        assert await crowd.say_wecom(user, crowd.text())
    await asyncio.sleep(5)
    assert 1 in await degraded(at, "redis")
    shown = len(at.heard())
    report(f"35 accepted, {shown} sent within the first seconds")
    assert 15 <= shown <= 31
    assert at.wecom.cloud.dropped == []


async def test_redis_comes_back(proxied: Proxied, report: Report) -> None:
    at, _, redis = proxied
    crowd = Crowd(at)
    redis.swallow()
    async with crowd.talking(at.people[:20]), crowd.talking(at.people[20:28], "dingtalk"):
        await asyncio.sleep(3)
        await redis.restore()
        await asyncio.sleep(6)
    counts = await at.judge()
    report(counts)
    assert 1 not in await degraded(at, "redis")
    assert counts.accepted == counts.answered
