"""Which messages were delivered lately: what tells a repeated attempt from a repeated answer."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

REMEMBERED = 20_000


class Delivered:
    """The messages one process delivered within `seconds`, by person and digest, each with the key of its delivery."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def remember(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> None:
        """Note that WeCom took this message to these people for this delivery."""
        until = self._clock() + self._seconds
        for digest in _digests(users, message):
            self._seen[digest] = (until, key)
            self._seen.move_to_end(digest)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def for_another(self, user: str, message: Mapping[str, Any], key: str) -> bool:
        """Whether another delivery gave them this message; without a key, every delivery is another."""
        until, known_key = self._seen.get(_digests([user], message)[0], (0.0, ""))
        return self._clock() < until and (not key or key != known_key)


def _digests(users: Sequence[str], message: Mapping[str, Any]) -> list[str]:
    what = hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
    return [f"{user.casefold()}:{what}" for user in users]
