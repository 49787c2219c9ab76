"""How much the pretend WeCom lets through: more is dropped for a member without a word (WeCom doc 90312)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

PER_MEMBER = ((30, 60.0), (1000, 3600.0))
PER_WEBHOOK = ((20, 60.0),)


class Rates:
    """Counts by name; every window is (how many, in how many seconds)."""

    def __init__(self, windows: Sequence[tuple[int, float]], clock: Callable[[], float]) -> None:
        self._windows = windows
        self._clock = clock
        self._times: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=max(n for n, _ in windows)))

    def admit(self, name: str) -> bool:
        """Count one more, unless it is too much."""
        now, times = self._clock(), self._times[name]
        if any(len(times) >= count and now - times[-count] < seconds for count, seconds in self._windows):
            return False
        times.append(now)
        return True
