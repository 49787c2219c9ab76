"""Which bodies were delivered lately: what tells a repeated attempt from a repeated answer."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

REMEMBERED = 4096


class Delivered:
    """The bodies one process delivered within `seconds`, by digest, each with the key of its delivery."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def remember(self, body: Mapping[str, Any], key: str) -> None:
        """Note that WeCom took this body for this delivery."""
        digest = _digest(body)
        self._seen[digest] = (self._clock() + self._seconds, key)
        self._seen.move_to_end(digest)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def for_another(self, body: Mapping[str, Any], key: str) -> bool:
        """Whether this body was delivered for another delivery; without a key, every delivery is another."""
        until, known_key = self._seen.get(_digest(body), (0.0, ""))
        return self._clock() < until and (not key or key != known_key)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
