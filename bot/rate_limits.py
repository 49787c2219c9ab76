"""How many sends an account, a person or a chat may have, counted over all replicas before anything is sent.

Moving windows by `limits`, in memory or in Redis: a fixed window would let twice the number through at its edge.
While Redis is gone every process counts alone and keeps to its share of the number.

`limits` counts by the wall clock. Where that is set back, what was counted lies in the future and a window would not
end for as long as the clock went back: so this process forgets its own count then, and no wait is longer than a window.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from bot.metrics import Metrics
from bot.platforms.base import Rate

log = structlog.get_logger()

NAMESPACE = "daogou"
# What is left of an account's rate for direct replies while pushes go out.
PUSH_SHARE = 0.7
SOONEST_SECONDS = 0.05
SET_BACK_SECONDS = 1.0
REDIS_SECONDS = 0.5
REST_SECONDS = 5.0
GONE = (RedisError, OSError, TimeoutError)


class RateLimits:
    """Grants sends. `redis_url` None counts in this process; `replicas` is how many count while Redis is gone."""

    def __init__(self, metrics: Metrics, redis_url: str | None = None, replicas: int = 1) -> None:
        self._metrics = metrics
        self._replicas = replicas
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._set_by = _wall_over_monotonic()
        self._shared = _redis_limiter(redis_url) if redis_url else None
        self._rests_until = 0.0

    async def take(self, rates: Iterable[Rate], *, push: bool = False) -> float:
        """Take one send from every rate; 0 when granted, else the seconds until it is worth asking again.

        A rate that was taken from before another one refused is not given back: that errs on the safe side.
        """
        for rate in rates:
            for name, item in _items(rate, push=push):
                wait = await self._take(name, item)
                if wait:
                    return wait
        return 0.0

    async def close(self) -> None:
        """Give the connections to Redis back."""
        if self._shared is not None:
            storage: Any = self._shared.storage
            await storage.bridge.storage.aclose()

    async def _take(self, name: str, item: RateLimitItem) -> float:
        self._mind_the_clock()
        if self._shared is None or time.monotonic() < self._rests_until:
            return await _hit(self._own, name, self._share(item))
        try:
            wait = await _hit(self._shared, name, item)
        except GONE as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            self._metrics.degraded.labels("redis").set(1)
            log.warning("rate_limits.redis_gone", error=type(error).__name__)
            return await _hit(self._own, name, self._share(item))
        self._metrics.degraded.labels("redis").set(0)
        return wait

    def _mind_the_clock(self) -> None:
        set_by, self._set_by = self._set_by, _wall_over_monotonic()
        if self._set_by < set_by - SET_BACK_SECONDS:
            log.warning("rate_limits.clock_set_back", seconds=round(set_by - self._set_by))
            self._own = MovingWindowRateLimiter(MemoryStorage())

    def _share(self, item: RateLimitItem) -> RateLimitItem:
        if self._shared is None or self._replicas == 1:
            return item
        return _per(max(1, item.amount // self._replicas), item.get_expiry())


def _items(rate: Rate, *, push: bool) -> Iterable[tuple[str, RateLimitItem]]:
    if push and rate.shared:
        yield f"{rate.name}:push", _per(max(1, int(rate.count * PUSH_SHARE)), rate.seconds)
    yield rate.name, _per(rate.count, rate.seconds)


def _per(count: int, seconds: int) -> RateLimitItem:
    return RateLimitItemPerSecond(count, seconds, namespace=NAMESPACE)


async def _hit(limiter: MovingWindowRateLimiter, name: str, item: RateLimitItem) -> float:
    """Return 0 for a send that was granted, else the seconds until the oldest one leaves the window."""
    if await limiter.hit(item, name):
        return 0.0
    stats = await limiter.get_window_stats(item, name)
    return min(max(SOONEST_SECONDS, stats.reset_time - time.time()), item.get_expiry())


def _wall_over_monotonic() -> float:
    """Return what only changes when somebody sets the wall clock."""
    return time.time() - time.monotonic()


def _redis_limiter(url: str) -> MovingWindowRateLimiter:
    storage = RedisStorage(
        f"async+{url}",
        implementation="redispy",
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    )
    return MovingWindowRateLimiter(storage)
