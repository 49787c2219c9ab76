"""Replicas share one access token: the platform is asked once, whoever asks dies or not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.platforms.access_token import AccessToken, Grant
from bot.platforms.base import Refused, SendError
from bot.seal import Sealer
from bot.shared_token import SharedTokenStore
from db.engine import Database
from db.models import AccessTokenRow
from db.tokens import RENEWAL, TokenRows
from tests.rows import small_chain


class Gateway:
    """The platform: numbered tokens, each some milliseconds late; and the clock of everybody."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
        self.asked = 0
        self.error: SendError | None = None

    async def fetch(self) -> Grant:
        self.asked += 1
        await asyncio.sleep(0.02)
        if self.error:
            raise self.error
        return Grant(f"t{self.asked}", 7200)

    def replica(self, database: Database, name: str) -> AccessToken:
        rows = TokenRows(database, 1, "wecom:ww1:1", name)
        store = SharedTokenStore(rows, Sealer("same everywhere"), lambda: self.now)
        return AccessToken(self.fetch, self.seconds, store)

    def seconds(self) -> float:
        return self.now.timestamp()


@pytest.fixture
async def replicas(database: Database) -> tuple[Gateway, list[AccessToken]]:
    await small_chain(database)
    gateway = Gateway()
    return gateway, [gateway.replica(database, name) for name in "abc"]


async def test_three_replicas_ask_once(replicas: tuple[Gateway, list[AccessToken]]) -> None:
    gateway, tokens = replicas
    assert await asyncio.gather(*(one.get() for one in tokens for _ in range(5))) == ["t1"] * 15
    assert gateway.asked == 1


async def test_a_refused_token_is_replaced_once_for_all(replicas: tuple[Gateway, list[AccessToken]]) -> None:
    gateway, tokens = replicas
    await asyncio.gather(*(one.get() for one in tokens))
    assert await asyncio.gather(*(one.replace("t1") for one in tokens)) == ["t2"] * 3
    assert gateway.asked == 2


async def test_a_process_that_died_while_it_asked_is_replaced(
    database: Database, replicas: tuple[Gateway, list[AccessToken]]
) -> None:
    gateway, tokens = replicas
    dead = TokenRows(database, 1, "wecom:ww1:1", "dead")
    await dead.read()
    assert await dead.take(0, gateway.now)
    waiting = asyncio.create_task(tokens[0].get())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    gateway.now += RENEWAL + timedelta(seconds=1)
    assert await waiting == "t1"


async def test_a_failure_lets_the_next_replica_try(replicas: tuple[Gateway, list[AccessToken]]) -> None:
    gateway, tokens = replicas
    gateway.error = Refused("Secret 不对")
    with pytest.raises(Refused):
        await tokens[0].get()
    gateway.error = None
    assert await tokens[1].get() == "t2"


async def test_the_row_does_not_show_the_token(database: Database, replicas: tuple[Gateway, list[AccessToken]]) -> None:
    _, tokens = replicas
    await tokens[0].get()
    async with database.read() as session:
        sealed = (await session.scalars(select(AccessTokenRow.sealed))).one()
    assert sealed
    assert b"t1" not in sealed
