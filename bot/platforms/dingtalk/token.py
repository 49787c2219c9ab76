"""The access token of one app: fetched once for everybody who waits, renewed before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.platforms.base import SendError
from bot.platforms.dingtalk.errors import WrongCredentials

RENEW_EARLY = 300.0
HOLD_AFTER_REFUSAL = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the seconds it lives."""

    value: str
    lifetime: float


class AccessTokens:
    """Hands out the current token.

    Wrong credentials are remembered for a minute, so that a full outbox does not ask once per message.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value = ""
        self._expires = 0.0
        self._refused: WrongCredentials | None = None
        self._ask_again = 0.0

    async def get(self) -> str:
        """Return a valid token; concurrent callers share one request."""
        async with self._lock:
            if self._clock() >= self._expires - RENEW_EARLY:
                await self._renew()
            return self._value

    def drop(self, value: str) -> None:
        """Forget this token because DingTalk refused it; a newer one stays."""
        if value == self._value:
            self._expires = 0.0

    async def _renew(self) -> None:
        if self._refused and self._clock() < self._ask_again:
            raise WrongCredentials(self._refused.reason, self._refused.after)
        try:
            token = await self._fetch()
        except WrongCredentials as refused:
            self._refused, self._ask_again = refused, self._clock() + HOLD_AFTER_REFUSAL
            raise
        except SendError:
            if self._clock() < self._expires:  # still good for the last minutes
                return
            raise
        self._refused = None
        self._value, self._expires = token.value, self._clock() + token.lifetime
