"""A replica that stops while the database hangs, on both engines."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy import update

from db.engine import Database
from db.leases import holder
from db.models import Lease
from tests.fakes.aibot_socket import FakeAibotSocket
from tests.scenarios.aibot.socket_stage import FAST, HOLDER, socket_stage
from tests.scenarios.aibot.stage import Clock, bind

IMPATIENT = replace(FAST, holder=replace(HOLDER, give_up=0.2, renew=20.0))
# MariaDB would wait fifty seconds for a row, SQLite waits five for its file.
BOUND_SECONDS = 8


async def test_stopping_does_not_wait_for_a_database_that_hangs(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    other = Database(database.url.render_as_string(hide_password=False))
    async with socket_stage(database, cloud, clock, timing=IMPATIENT) as stage:
        stage.start()
        await stage.connected()
        async with other.write() as session:
            await session.execute(update(Lease).values(owner=Lease.owner))  # nobody else may change the row
            async with asyncio.timeout(BOUND_SECONDS):
                await stage.platform.stop()
        assert await holder(database, "aibot:1", clock()) is not None
    await other.close()
