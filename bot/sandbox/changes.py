"""Tells open pages which phone has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bot.sandbox.phones import Phones

Phone = tuple[str, str]


class Watcher:
    """What changed for one open page since it last looked; many changes of one phone are one."""

    def __init__(self) -> None:
        self._changed: dict[Phone, None] = {}
        self._bell = asyncio.Event()
        self.closed = False

    def note(self, platform: str, user_id: str) -> None:
        """Remember that this phone changed."""
        self._changed[platform, user_id] = None
        self._bell.set()

    def close(self) -> None:
        """Say that there will be no more."""
        self.closed = True
        self._bell.set()

    async def wait(self, seconds: float) -> list[Phone]:
        """Return what changed, at the latest after `seconds` with nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return []
        self._bell.clear()
        changed, self._changed = list(self._changed), {}
        return changed


class Changes:
    """Every open page's watcher; the pages of several tabs do not take each other's news."""

    def __init__(self, phones: Phones) -> None:
        self._watchers: set[Watcher] = set()
        phones.listeners.append(self._spread)

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Yield a watcher that hears of every change while the block runs."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """Let every open page's connection end, so that the server can stop."""
        for watcher in self._watchers:
            watcher.close()

    def _spread(self, platform: str, user_id: str) -> None:
        for watcher in self._watchers:
            watcher.note(platform, user_id)
