"""A circuit breaker: after a run of failures nobody is made to wait for what will fail again.

purgatory does the counting; it stays behind one method because the project has been quiet since 2024.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

FAILURES = 5
PAUSE_SECONDS = 30.0


class BreakerOpen(Exception):
    """Too many calls in a row have failed; not tried."""


class Breaker:
    """Opens after `failures` in a row, lets calls through again after the pause, closes at the first that works."""

    def __init__(
        self,
        name: str,
        failures: int = FAILURES,
        pause_seconds: float = PAUSE_SECONDS,
        harmless: Callable[[BaseException], bool] = lambda _error: False,
    ) -> None:
        self._name = name
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=failures, default_ttl=pause_seconds, exclude=[(BaseException, harmless)]
        )

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run the block, or raise `BreakerOpen`; an error that is `harmless` does not count as a failure."""
        circuit = await self._factory.get_breaker(self._name)
        try:
            await circuit.__aenter__()
        except OpenedState as error:
            # One instance is raised again and again: its traceback would keep every caller's frames alive.
            error.__traceback__ = None
            raise BreakerOpen(self._name) from None
        try:
            yield
        except BaseException as error:
            await circuit.__aexit__(type(error), error, None)
            raise
        await circuit.__aexit__(None, None, None)
