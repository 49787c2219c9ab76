"""Which messages were delivered lately: what tells a repeated attempt from a repeated answer.

This process remembers its own. What another one delivered, or this one before it was started anew, stands in the
outbox: without a look there the second answer to a question asked twice would be dropped by WeCom without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.services import Services
from bot.platforms.wecom.decode import PLATFORM
from db.outbox import sent_lately

log = structlog.get_logger()

REMEMBERED = 20_000
# Longer than WeCom remembers: a clock may have been set meanwhile, and looking back too far does no harm.
LOOKED_BACK = timedelta(hours=2)
GONE = (SQLAlchemyError, OSError, TimeoutError)


class Delivered:
    """The messages delivered within `seconds`, by person and digest, each with the key of its delivery."""

    def __init__(self, seconds: float, clock: Callable[[], float], services: Services | None = None) -> None:
        self._seconds = seconds
        self._clock = clock
        self._services = services
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def remember(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> None:
        """Keep the digests."""
        until = self._clock() + self._seconds
        for user in users:
            self._seen[(seen := _seen(user, message))] = (until, key)
            self._seen.move_to_end(seen)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    async def again(self, users: Collection[str], message: Mapping[str, Any], key: str) -> set[str]:
        """Return whom another delivery has brought this message; without a key, every delivery is another."""
        here = {user for user in users if self._here(user, message, key)}
        return here | await self._elsewhere(set(users) - here, message, key)

    def _here(self, user: str, message: Mapping[str, Any], key: str) -> bool:
        until, known_key = self._seen.get(_seen(user, message), (0.0, ""))
        return self._clock() < until and (not key or key != known_key)

    async def _elsewhere(self, users: Collection[str], message: Mapping[str, Any], key: str) -> set[str]:
        """Look into the outbox; a card has an id of its own and is never the same."""
        if self._services is None or not users or not key or "template_card" in message:
            return set()
        chats = {f"user:{user.casefold()}": user for user in users}
        since = self._services.clock() - LOOKED_BACK
        try:
            sent = await sent_lately(self._services.database, self._services.tenant_id, PLATFORM, list(chats), since)
        except GONE as error:
            log.warning("wecom.outbox_not_asked", error=type(error).__name__)
            return set()
        same = _digest(message)
        others = [one for one in sent if not key.startswith(f"{one.dedupe_key}:")]
        return {chats[one.conversation_key] for one in others if same in map(_digest, one.payloads)}


def _seen(user: str, message: Mapping[str, Any]) -> str:
    return f"{user.casefold()}:{_digest(message)}"


def _digest(message: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
