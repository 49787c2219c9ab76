"""Rates: counted together through Redis, each by itself while Redis is gone."""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import UTC, datetime, timedelta

import time_machine

from bot.metrics import Metrics
from bot.platforms.base import Rate
from bot.rate_limits import RateLimits
from tests.conftest import require_port
from tests.fakes.tcp_proxy import TcpProxy

REDIS = os.environ.get("DAOGOU_TEST_REDIS", "redis://127.0.0.1:6379/5")


def rate(count: int, seconds: int, **more: bool) -> Rate:
    return Rate(f"test:{secrets.token_hex(4)}", count, seconds, **more)


async def test_a_window_moves() -> None:
    limits, one = RateLimits(Metrics()), rate(2, 1)
    assert [await limits.take([one]) for _ in range(2)] == [0.0, 0.0]
    wait = await limits.take([one])
    assert 0 < wait <= 1
    await asyncio.sleep(wait + 0.05)
    assert await limits.take([one]) == 0.0


async def test_a_clock_that_is_set_back_stops_nobody() -> None:
    limits, one = RateLimits(Metrics()), rate(2, 60)
    await limits.take([one])
    await limits.take([one])
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        assert await limits.take([one]) == 0.0


async def test_no_wait_is_longer_than_the_window() -> None:
    """Another replica's clock, or this one's before it was set, may have counted in the future."""
    require_port("Redis", 6379)
    limits, one = RateLimits(Metrics(), REDIS), rate(1, 2)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert await limits.take([one]) == 0.0
    wait = await limits.take([one])
    assert 0 < wait <= 2
    await asyncio.sleep(wait + 0.5)
    assert await limits.take([one]) == 0.0
    await limits.close()


async def test_replicas_count_together() -> None:
    require_port("Redis", 6379)
    replicas = [RateLimits(Metrics(), REDIS, 3) for _ in range(3)]
    one = rate(10, 60)
    taken = await asyncio.gather(*(replica.take([one]) for replica in replicas for _ in range(8)))
    assert taken.count(0.0) == 10
    for replica in replicas:
        await replica.close()


async def test_pushes_leave_a_part_of_an_account_to_replies() -> None:
    limits, one = RateLimits(Metrics()), rate(10, 60, shared=True)
    pushed = [await limits.take([one], push=True) for _ in range(10)]
    assert pushed.count(0.0) == 7
    assert [await limits.take([one]) for _ in range(4)].count(0.0) == 3


async def test_while_redis_is_gone_each_replica_keeps_to_its_share() -> None:
    require_port("Redis", 6379)
    async with TcpProxy("127.0.0.1", 6379) as proxy:
        metrics = Metrics()
        limits, one = RateLimits(metrics, f"redis://127.0.0.1:{proxy.port}/5", 2), rate(10, 60)
        assert await limits.take([one]) == 0.0
        await proxy.refuse()
        assert [await limits.take([one]) for _ in range(8)].count(0.0) == 5
        assert metrics.degraded.labels("redis")._value.get() == 1
        await limits.close()
