"""An account's access token: asked for once for everybody who waits, in this process and in all replicas.

    get ─→ known here and fresh ─→ use it
        └→ the store has a fresher one ─→ use that
        └→ the renewal is ours ─→ ask the platform, write it to the store
        └→ somebody else is asking ─→ wait for what they write

A failure is remembered for a moment and told to everybody who waited, so that a full outbox asks once and not once
per message; WeCom blocks a caller after some 2,000 wrong calls in an hour (doc 91039).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.platforms.base import Refused, SendError, TryLater

EARLY_SECONDS = 300.0
EARLY_SHARE = 0.1
LONGEST_PAUSE = 60.0
PAUSE_AFTER_FAILURE = 2.0
POLL_SECONDS = 0.05
WAIT_SECONDS = 8.0

BEING_RENEWED = "访问令牌正在更新"


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A token and how many seconds it lives. Without a repr, so that no log shows it."""

    token: str
    lifetime: float


@dataclass(frozen=True, slots=True, repr=False)
class StoredToken:
    """A token as the replicas share it; `until` is the moment it ends, `version` counts renewals."""

    token: str
    until: float
    version: int


class TokenStore(Protocol):
    """Where replicas share one account's token."""

    async def read(self) -> StoredToken:
        """Return what is known; version 0 and an empty token when there is none yet."""
        ...

    async def take(self, version: int) -> bool:
        """Whether the renewal of this version is ours; it falls back to anybody after some seconds."""
        ...

    async def write(self, token: str, until: float, version: int) -> None:
        """Publish the renewed token as the next version."""
        ...

    async def give_back(self, version: int) -> None:
        """Let somebody else try the renewal of this version."""
        ...


class OwnTokenStore:
    """A store for one process alone."""

    def __init__(self) -> None:
        self._stored = StoredToken("", 0.0, 0)

    async def read(self) -> StoredToken:
        """Return the last token."""
        return self._stored

    async def take(self, version: int) -> bool:
        """Return True: the lock of `AccessToken` is all that one process needs."""
        return True

    async def write(self, token: str, until: float, version: int) -> None:
        """Keep the token."""
        self._stored = StoredToken(token, until, version + 1)

    async def give_back(self, version: int) -> None:
        """Do nothing."""


class AccessToken:
    """Keeps the token of one account; `fetch` asks the platform for a new one."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Grant]],
        clock: Callable[[], float],
        store: TokenStore | None = None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._store = store or OwnTokenStore()
        self._lock = asyncio.Lock()
        self._known = StoredToken("", 0.0, 0)
        self._fresh_until = 0.0
        self._failure: SendError | None = None
        self._failure_until = 0.0

    async def get(self) -> str:
        """Return a token that is good for some minutes."""
        return self._fresh() or await self._renewed("")

    async def replace(self, refused: str) -> str:
        """Return another token than the one the platform refused; whoever comes second gets the first one's."""
        return await self._renewed(refused)

    def distrust(self, error: SendError) -> None:
        """Fail with this error for a while: a token just fetched was refused, so fetching more is of no use."""
        self._fresh_until = 0.0
        self._remember(error)

    async def _renewed(self, refused: str) -> str:
        async with self._lock:
            token = self._fresh()
            if token and token != refused:
                return token
            if self._failure is not None and self._clock() < self._failure_until:
                raise self._failure.with_traceback(None)
            return await self._share_or_ask(refused)

    async def _share_or_ask(self, refused: str) -> str:
        """Take what another replica has fetched, or fetch it; one replica at a time asks the platform."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            stored = await self._store.read()
            if stored.token and stored.token != refused and self._keep(stored):
                return stored.token
            if await self._store.take(stored.version):
                return await self._ask(stored.version, refused)
            if time.monotonic() > deadline:
                raise TryLater(BEING_RENEWED, PAUSE_AFTER_FAILURE)
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, version: int, refused: str) -> str:
        try:
            grant = await self._fetch()
        except SendError as error:
            await self._store.give_back(version)
            if (last := self._known.token) and last != refused and self._clock() < self._known.until:
                return last  # still good for the last minutes
            self._remember(error)
            raise
        until = self._clock() + grant.lifetime
        await self._store.write(grant.token, until, version)
        self._known = StoredToken(grant.token, until, version + 1)
        self._fresh_until = until - min(EARLY_SECONDS, grant.lifetime * EARLY_SHARE)
        self._failure = None
        return grant.token

    def _keep(self, stored: StoredToken) -> bool:
        """Remember a token of the store; whether it is fresh enough to be used."""
        left = stored.until - self._clock()
        self._known, self._fresh_until = stored, stored.until - EARLY_SECONDS
        if left > EARLY_SECONDS:
            self._failure = None
        return left > EARLY_SECONDS

    def _remember(self, error: SendError) -> None:
        self._failure, self._failure_until = error, self._clock() + _pause(error)

    def _fresh(self) -> str:
        return self._known.token if self._clock() < self._fresh_until else ""


def _pause(error: SendError) -> float:
    if isinstance(error, Refused):
        return LONGEST_PAUSE
    return min(error.after, LONGEST_PAUSE) if isinstance(error, TryLater) else PAUSE_AFTER_FAILURE
