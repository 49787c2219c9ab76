"""The doorbell: in one process, through RabbitMQ between two, and on its own while the broker is gone."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator

import pytest

from bot.bells import open_bells
from bot.metrics import Metrics
from bot.worker import Doorbell
from tests.conftest import require_port
from tests.fakes.tcp_proxy import TcpProxy

RABBIT = os.environ.get("DAOGOU_TEST_RABBIT", "amqp://guest:guest@127.0.0.1:5672/")


async def rang(bell: Doorbell, seconds: float = 5.0) -> bool:
    """Whether the bell rings within that time."""
    started = asyncio.get_running_loop().time()
    await bell.wait(seconds)
    return asyncio.get_running_loop().time() - started < seconds


@pytest.fixture
def queue() -> str:
    return f"daogou.test.{secrets.token_hex(4)}"


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    require_port("RabbitMQ", 5672)
    async with TcpProxy("127.0.0.1", 5672) as opened:
        yield opened


async def test_a_ring_wakes_the_loop_it_is_for() -> None:
    async with open_bells(None, "", Metrics()) as bells:
        bells.ring_outbox()
        assert await rang(bells.outbox)
        assert not await rang(bells.inbox, 0.1)


async def test_many_rings_at_once_are_few_on_the_way() -> None:
    async with open_bells(None, "", Metrics()) as bells:
        for _ in range(1000):
            bells.ring_inbox()
        assert await rang(bells.inbox)
        assert not await rang(bells.inbox, 0.2)


async def test_rings_go_to_whoever_is_there(queue: str) -> None:
    require_port("RabbitMQ", 5672)
    async with open_bells(RABBIT, queue, Metrics()) as one, open_bells(RABBIT, queue, Metrics()) as two:
        await asyncio.sleep(1.0)
        heard = {"one": 0, "two": 0}
        for _ in range(20):
            one.ring_inbox()
            heard["one"] += await rang(one.inbox, 0.1)
            heard["two"] += await rang(two.inbox, 0.1)
        assert heard["one"] + heard["two"] >= 15
        assert min(heard.values()) > 0


async def test_while_the_broker_is_gone_everybody_rings_for_themselves(queue: str, proxy: TcpProxy) -> None:
    metrics = Metrics()
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
    async with open_bells(url, queue, metrics) as bells:
        await asyncio.sleep(1.0)
        await proxy.refuse()
        bells.ring_inbox()
        assert await rang(bells.inbox)
        assert metrics.degraded.labels("broker")._value.get() == 1
        await proxy.restore()
        async with asyncio.timeout(40):
            while metrics.degraded.labels("broker")._value.get() == 1:
                bells.ring_inbox()
                await asyncio.sleep(0.5)
        assert await rang(bells.inbox)
