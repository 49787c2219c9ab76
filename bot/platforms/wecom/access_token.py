"""The access token: one per app, fetched by one caller at a time (WeCom doc 91039)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.platforms.base import Refused, SendError, TryLater

EARLY_SECONDS = 300.0
EARLY_SHARE = 0.1
# Wrong credentials block the caller after some 2000 calls in an hour.
PAUSE_AFTER_REFUSAL = 60.0
PAUSE_AFTER_FAILURE = 2.0


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A token and how long it lives, as gettoken says. Without a repr, so that no log shows it."""

    token: str
    expires_in: float


class AccessToken:
    """Keeps the token of one app; `fetch` asks WeCom for a new one.

    A failure is remembered for a moment and told to everybody who waited, so that fifty messages in flight ask
    once and not fifty times in a row.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Grant]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._fresh_until = 0.0
        self._failure: SendError | None = None
        self._failure_until = 0.0

    async def get(self) -> str:
        """Return a token that is good for some minutes."""
        return self._valid() or await self._renew("")

    async def replace(self, refused: str) -> str:
        """Return another token than the one WeCom refused; whoever comes second gets the first one's."""
        return await self._renew(refused)

    def distrust(self, error: SendError) -> None:
        """Fail with this error for a while: a token just fetched was refused, so fetching more is of no use."""
        self._fresh_until = 0.0
        self._remember(error)

    async def _renew(self, refused: str) -> str:
        async with self._lock:
            token = self._valid()
            if token and token != refused:
                return token
            if self._failure is not None and self._clock() < self._failure_until:
                raise self._failure.with_traceback(None)
            return await self._ask()

    async def _ask(self) -> str:
        try:
            grant = await self._fetch()
        except SendError as error:
            self._remember(error)
            raise
        early = min(EARLY_SECONDS, grant.expires_in * EARLY_SHARE)
        self._token, self._fresh_until = grant.token, self._clock() + grant.expires_in - early
        self._failure = None
        return grant.token

    def _remember(self, error: SendError) -> None:
        self._failure, self._failure_until = error, self._clock() + _pause(error)

    def _valid(self) -> str:
        return self._token if self._clock() < self._fresh_until else ""


def _pause(error: SendError) -> float:
    if isinstance(error, Refused):
        return PAUSE_AFTER_REFUSAL
    return error.after if isinstance(error, TryLater) else PAUSE_AFTER_FAILURE
