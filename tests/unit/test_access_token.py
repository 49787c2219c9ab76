"""The token cache: one request for all who wait, renewed early, calm after wrong credentials."""

from __future__ import annotations

import asyncio

import pytest

from bot.platforms.access_token import AccessToken, Grant
from bot.platforms.base import SendError, TryLater
from bot.platforms.dingtalk.errors import WrongCredentials


class Gateway:
    """Gives out numbered tokens of two hours, or raises what is planned; its clock stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.error: SendError | None = None
        self.tokens = AccessToken(self.fetch, lambda: self.now)

    async def fetch(self) -> Grant:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return Grant(f"t{self.asked}", 7200)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_all_who_wait_share_one_request(gateway: Gateway) -> None:
    assert await asyncio.gather(*(gateway.tokens.get() for _ in range(20))) == ["t1"] * 20
    assert gateway.asked == 1


@pytest.mark.parametrize(("age", "token"), [(6899, "t1"), (6900, "t2"), (8000, "t2")])
async def test_it_is_renewed_five_minutes_early(gateway: Gateway, age: float, token: str) -> None:
    await gateway.tokens.get()
    gateway.now += age
    assert await gateway.tokens.get() == token


async def test_a_failed_renewal_uses_the_token_while_it_lasts(gateway: Gateway) -> None:
    await gateway.tokens.get()
    gateway.error = TryLater("busy")
    gateway.now += 7000
    assert await gateway.tokens.get() == "t1"
    gateway.now += 200
    with pytest.raises(TryLater):
        await gateway.tokens.get()


async def test_a_refused_token_is_replaced_and_a_newer_one_is_kept(gateway: Gateway) -> None:
    assert await gateway.tokens.replace(await gateway.tokens.get()) == "t2"
    assert await gateway.tokens.replace("t1") == "t2"
    assert gateway.asked == 2


async def test_wrong_credentials_are_asked_about_once_a_minute(gateway: Gateway) -> None:
    gateway.error = WrongCredentials("wrong", 300)
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await gateway.tokens.get()
    assert gateway.asked == 1
    gateway.now, gateway.error = gateway.now + 61, None
    assert await gateway.tokens.get() == "t2"
