"""Answers that stay good for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """What was found out within the last `seconds`, the newest `most` of it; None can be remembered too."""

    def __init__(self, seconds: float, clock: Callable[[], float], most: int = 10_000) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        until, _ = self._known.get(key, (0.0, None))
        return self._clock() < until

    def __getitem__(self, key: K) -> V:
        return self._known[key][1]

    def __setitem__(self, key: K, value: V) -> None:
        self._known[key] = (self._clock() + self._seconds, value)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
