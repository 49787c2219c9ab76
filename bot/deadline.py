"""The time a process has for stopping."""

from __future__ import annotations

import time


class Deadline:
    """Counts from the moment the process is asked to stop, or from when somebody first asks what is left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: float | None = None

    def begin(self) -> None:
        """Start to count, unless it has begun."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """Seconds, never less than none."""
        self.begin()
        return max(0.0, (self._ends or 0.0) - time.monotonic())
