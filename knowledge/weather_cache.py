"""One call per district and hour, whoever asks; when the source fails, what it said before, marked as stale."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from knowledge.weather import Forecast, Place, WeatherUnavailable

log = structlog.get_logger()

PAUSE_AFTER_FAILURE = timedelta(minutes=1)
STALE_AFTER = timedelta(hours=1)
USELESS_AFTER = timedelta(hours=12)
DISTRICTS_KEPT = 4000
NO_SUCH_DAY = "天气服务没有{month}月{day}日的预报"


class WeatherProvider(Protocol):
    """A weather service: one call tells several days."""

    async def fetch(self, place: Place) -> Mapping[date, Forecast]:
        """Return the forecasts by day; `WeatherUnavailable` says why there are none."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...


@dataclass(slots=True)
class _District:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    days: Mapping[date, Forecast] = field(default_factory=dict)
    fetched_at: datetime | None = None
    failed_at: datetime | None = None
    reason: str = ""


class CachedWeather:
    """A weather source over a provider; callers that ask for one district at once share one call.

    A failure is remembered for a minute, so that five thousand shops do not ask a dead service five thousand times.
    """

    def __init__(self, provider: WeatherProvider, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._clock = clock
        self._districts: OrderedDict[str, _District] = OrderedDict()

    async def forecast(self, place: Place, day: date) -> Forecast:
        """Return the forecast, at most an hour old unless marked stale."""
        district = self._district(place.adcode)
        async with district.lock:
            if not self._fresh(district):
                await self._renew(district, place)
        return self._told(district, place, day)

    async def close(self) -> None:
        """Give up the provider's connections."""
        await self._provider.close()

    def _district(self, adcode: str) -> _District:
        """Return the district's entry; the longest unused one that nobody waits for makes room."""
        district = self._districts.setdefault(adcode, _District())
        self._districts.move_to_end(adcode)
        if len(self._districts) > DISTRICTS_KEPT:
            oldest = next(iter(self._districts))
            if not self._districts[oldest].lock.locked():
                del self._districts[oldest]
        return district

    def _fresh(self, district: _District) -> bool:
        """Whether asking again is not due: fetched within this clock hour, or failed a moment ago."""
        now = self._clock()
        if district.failed_at is not None:
            return now - district.failed_at < PAUSE_AFTER_FAILURE
        return district.fetched_at is not None and _hour(district.fetched_at) == _hour(now)

    async def _renew(self, district: _District, place: Place) -> None:
        try:
            district.days = await self._provider.fetch(place)
        except WeatherUnavailable as error:
            district.failed_at, district.reason = self._clock(), str(error)
            log.warning("weather.failed", adcode=place.adcode, reason=district.reason)
            return
        district.fetched_at, district.failed_at = self._clock(), None

    def _told(self, district: _District, place: Place, day: date) -> Forecast:
        age = self._clock() - district.fetched_at if district.fetched_at else None
        if age is None or (district.failed_at is not None and age > USELESS_AFTER):
            raise WeatherUnavailable(district.reason)
        forecast = district.days.get(day)
        if forecast is None:
            raise WeatherUnavailable(NO_SUCH_DAY.format(month=day.month, day=day.day))
        stale = district.failed_at is not None and age >= STALE_AFTER
        return replace(forecast, city=place.city, stale=stale)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
