"""Three servers on MariaDB, RabbitMQ and Redis that behave as one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
from sqlalchemy import make_url

from tests.conftest import drop_mariadb, new_mariadb, require_port
from tests.faults.forks import Forks
from tests.faults.installation import Installation, installed

RABBIT_PORT, REDIS_PORT = 5672, 6379
USER = "guest:guest"


@asynccontextmanager
async def clustered(
    folder: Path, forks: Forks, names: str = "abc", rabbit_port: int = RABBIT_PORT, redis_port: int = REDIS_PORT
) -> AsyncIterator[Installation]:
    """An installation with a server of each name, not started; broker and Redis may stand behind a proxy."""
    require_port("RabbitMQ", RABBIT_PORT)
    require_port("Redis", REDIS_PORT)
    name = f"daogou_cluster_{os.getpid()}"
    url = await new_mariadb(name)
    shared: dict[str, Any] = {
        "broker_url": f"amqp://{USER}@127.0.0.1:{rabbit_port}/",
        "redis_url": f"redis://127.0.0.1:{redis_port}/0",
        "replicas": len(names),
    }
    async with installed(folder, url, forks) as at:
        for one in names:
            at.replica(one, cluster=shared)
        yield at
    await _forget_queue(f"daogou.{make_url(url).host}.{name}")
    await drop_mariadb(name)


async def _forget_queue(name: str) -> None:
    connection = await aio_pika.connect(f"amqp://{USER}@127.0.0.1:{RABBIT_PORT}/")
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(name)
