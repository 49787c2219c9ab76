"""What several replicas share: really connected to, or really not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.cli.doctor.cluster import check_cluster
from bot.cli.doctor.finding import Finding
from bot.config import Settings
from tests.conftest import require_port
from tests.fakes.tcp_proxy import TcpProxy
from tests.scenarios.doctor.visits import fails, found, visit_of

MARIADB = {"database": {"url": "mysql+aiomysql://u:p@h/x"}, "server": {"secret_key": "k" * 32}}


async def look(cluster: dict[str, Any], **more: Any) -> list[Finding]:
    return await check_cluster(visit_of(Settings.model_validate({"cluster": cluster, **more})))


async def test_one_process_needs_none_of_it() -> None:
    (finding,) = await look({})
    assert (finding.code, finding.state) == ("cluster.single", "ok")


async def test_what_several_processes_miss() -> None:
    for cluster in ({"replicas": 2}, {"works": False}):
        states = {code: one.state for code, one in found(await look(cluster)).items()}
        assert states == {
            "cluster.broker_missing": "warn",
            "cluster.redis_missing": "warn",
            "cluster.database": "warn",
            "cluster.secret_key": "warn",
        }
    assert not fails(await look({"replicas": 2}, **MARIADB))


async def test_broker_and_redis_that_are_there() -> None:
    require_port("RabbitMQ", 5672)
    require_port("Redis", 6379)
    cluster = {"broker_url": "amqp://guest:guest@127.0.0.1:5672/", "redis_url": "redis://127.0.0.1:6379/5"}
    findings = await look(cluster, **MARIADB)
    assert {finding.state for finding in findings} == {"ok"}
    assert "guest" not in str(findings)


@pytest.mark.parametrize(
    ("cluster", "code", "fix"),
    [
        ({"broker_url": "amqp://guest:guest@127.0.0.1:9/"}, "broker.reachable", "RabbitMQ 启动了"),
        ({"broker_url": "nonsense"}, "broker.reachable", "broker_url"),
        ({"redis_url": "redis://127.0.0.1:9/0"}, "redis.reachable", "Redis 启动了"),
        ({"redis_url": "nonsense"}, "redis.url", "redis://:密码@主机:6379/0"),
    ],
)
async def test_they_are_not_there(cluster: dict[str, Any], code: str, fix: str) -> None:
    finding = found(await look(cluster, **MARIADB))[code]
    assert finding.state == "fail"
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("amqp://guest:wr0ng-p4ssword@127.0.0.1:5672/", "broker.denied"),
        ("amqp://guest:guest@127.0.0.1:5672/no-such-host", "broker.vhost"),
    ],
)
async def test_the_broker_does_not_let_us_in(url: str, code: str) -> None:
    require_port("RabbitMQ", 5672)
    finding = found(await look({"broker_url": url}, **MARIADB))[code]
    assert finding.state == "fail"
    assert "wr0ng-p4ssword" not in str(finding)


@pytest.mark.parametrize("said", [b"-NOAUTH Authentication required.", b"-WRONGPASS invalid username-password pair"])
async def test_redis_does_not_let_us_in(said: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(said + b"\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    findings = found(await look({"redis_url": f"redis://:wr0ng-p4ssword@127.0.0.1:{port}/5"}, **MARIADB))
    server.close()
    await server.wait_closed()
    assert findings["redis.denied"].state == "fail"
    assert "wr0ng-p4ssword" not in str(findings)


@pytest.mark.parametrize("scheme", ["broker_url", "redis_url"])
async def test_whoever_says_nothing_is_not_waited_for(scheme: str) -> None:
    require_port("Redis", 6379)
    async with TcpProxy("127.0.0.1", 6379) as proxy:
        proxy.swallow()
        url = f"{'amqp' if scheme == 'broker_url' else 'redis'}://127.0.0.1:{proxy.port}/"
        began = asyncio.get_running_loop().time()
        findings = await look({scheme: url}, **MARIADB)
    assert asyncio.get_running_loop().time() - began < 5
    assert "没有在几秒内应答" in str(findings)
