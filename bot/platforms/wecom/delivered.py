"""Which messages were delivered lately: what tells a repeated attempt from a repeated answer."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from bot.platforms.services import Services
from db.outbox import sent_since

REMEMBERED = 20_000


class Delivered(Protocol):
    """What people got lately, each message with the key of its delivery."""

    def remember(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> None:
        """Note that WeCom took this message to these people for this delivery."""
        ...

    async def for_another(self, user: str, message: Mapping[str, Any], key: str) -> bool:
        """Whether another delivery gave them this message; without a key, every delivery is another."""
        ...


class OwnDelivered:
    """What one process delivered within `seconds`, by person and digest."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def remember(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> None:
        """Keep the digests."""
        until = self._clock() + self._seconds
        for digest in _digests(users, message):
            self._seen[digest] = (until, key)
            self._seen.move_to_end(digest)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    async def for_another(self, user: str, message: Mapping[str, Any], key: str) -> bool:
        """Look among the digests."""
        until, known_key = self._seen.get(_digests([user], message)[0], (0.0, ""))
        return self._clock() < until and (not key or key != known_key)


class SharedDelivered:
    """What all replicas delivered within `seconds`: the outbox knows."""

    def __init__(self, services: Services, platform: str, seconds: float) -> None:
        self._services = services
        self._platform = platform
        self._within = timedelta(seconds=seconds)

    def remember(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> None:
        """Do nothing: the row of the message will say so itself."""

    async def for_another(self, user: str, message: Mapping[str, Any], key: str) -> bool:
        """Look at what the rows of this person's chat say was sent; `key` begins with its own row's key."""
        services = self._services
        chat = (services.tenant_id, self._platform, f"user:{user.casefold()}")
        sent = await sent_since(services.database, chat, services.clock() - self._within)
        return any(dict(message) in one.payloads and not (key and key.startswith(f"{one.key}:")) for one in sent)


def _digests(users: Sequence[str], message: Mapping[str, Any]) -> list[str]:
    what = hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
    return [f"{user.casefold()}:{what}" for user in users]
