"""Caiyun weather API v2.6 (https://docs.caiyunapp.com/weather-api/v2/v2.6/): one call, three days.

The token stands in the path of the address. httpx writes addresses into its log lines and its exceptions; so the
client is given an address with a placeholder, and only the transport, the last step before the wire, puts the
token in its place.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import httpx

from knowledge.weather import Forecast, Place, Sky, WeatherUnavailable

SOURCE = "彩云天气"
BASE_URL = "https://api.caiyunapp.com"
PLACEHOLDER = "-token-"
DAYS = 3
ALERTS_SHOWN = 3
ALERT_CHARS = 40
TOO_BIG = 2_000_000

NO_ANSWER = "天气服务没有应答"
REJECTED = "天气服务的令牌无效，请管理员检查 weather.token"
TOO_MANY = "天气服务今天的调用次数用完了"
BROKEN = "天气服务的回答看不懂"

# https://docs.caiyunapp.com/weather-api/v2/v2.6/tables/skycon.html
SKIES = {
    "CLEAR_DAY": Sky.CLEAR,
    "CLEAR_NIGHT": Sky.CLEAR,
    "PARTLY_CLOUDY_DAY": Sky.PARTLY_CLOUDY,
    "PARTLY_CLOUDY_NIGHT": Sky.PARTLY_CLOUDY,
    "CLOUDY": Sky.OVERCAST,
    "LIGHT_HAZE": Sky.HAZE,
    "MODERATE_HAZE": Sky.HAZE,
    "HEAVY_HAZE": Sky.HAZE,
    "LIGHT_RAIN": Sky.LIGHT_RAIN,
    "MODERATE_RAIN": Sky.RAIN,
    "HEAVY_RAIN": Sky.HEAVY_RAIN,
    "STORM_RAIN": Sky.STORM,
    "FOG": Sky.FOG,
    "LIGHT_SNOW": Sky.LIGHT_SNOW,
    "MODERATE_SNOW": Sky.SNOW,
    "HEAVY_SNOW": Sky.HEAVY_SNOW,
    "STORM_SNOW": Sky.HEAVY_SNOW,
    "DUST": Sky.DUST,
    "SAND": Sky.DUST,
    "WIND": Sky.WIND,
}
REFUSED = {401: REJECTED, 403: REJECTED, 429: TOO_MANY}


class CaiyunWeather:
    """The provider behind `weather.provider = "caiyun"`."""

    def __init__(self, token: str, *, base_url: str = BASE_URL, timeout_seconds: float = 5.0) -> None:
        self._timeout = timeout_seconds
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout_seconds,
            transport=_TokenInPath(token, httpx.AsyncHTTPTransport()),
            follow_redirects=False,
        )

    async def fetch(self, place: Place) -> Mapping[date, Forecast]:
        """Return today's forecast and those of the days the service adds; `WeatherUnavailable` says why not."""
        answer = await self._ask(place)
        try:
            days = {forecast.day: forecast for forecast in _forecasts(answer, place)}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise WeatherUnavailable(BROKEN) from error
        if not days:
            raise WeatherUnavailable(BROKEN)
        return days

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    async def _ask(self, place: Place) -> dict[str, Any]:
        # Longitude first in the path; the answer's own `location` is the other way round.
        path = f"/v2.6/{PLACEHOLDER}/{place.lon:.4f},{place.lat:.4f}/weather"
        params = {"alert": "true", "dailysteps": str(DAYS), "hourlysteps": "24", "unit": "metric:v2", "lang": "zh_CN"}
        try:
            # httpx's timeout is per step; a body that drips byte by byte needs one over all.
            async with asyncio.timeout(self._timeout):
                response = await self._client.get(path, params=params)
        except (httpx.HTTPError, TimeoutError) as error:
            raise WeatherUnavailable(NO_ANSWER) from error
        return _checked(response)


class _TokenInPath(httpx.AsyncBaseTransport):
    """Puts the token into the address at the last moment."""

    def __init__(self, token: str, wire: httpx.AsyncBaseTransport) -> None:
        self._token = token.encode()
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw_path = request.url.raw_path.replace(PLACEHOLDER.encode(), self._token, 1)
        secret = httpx.Request(
            request.method,
            request.url.copy_with(raw_path=raw_path),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await self._wire.handle_async_request(secret)

    async def aclose(self) -> None:
        await self._wire.aclose()


def _checked(response: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON object; a refusal comes as a status code or as `status` other than ok."""
    if response.status_code in REFUSED:
        raise WeatherUnavailable(REFUSED[response.status_code])
    if response.status_code >= 500:
        raise WeatherUnavailable(NO_ANSWER)
    if len(response.content) > TOO_BIG:
        raise WeatherUnavailable(BROKEN)
    try:
        answer = json.loads(response.content)
    except ValueError as error:
        raise WeatherUnavailable(BROKEN) from error
    if not isinstance(answer, dict):
        raise WeatherUnavailable(BROKEN)
    if answer.get("status") != "ok":
        raise WeatherUnavailable(REJECTED if "token" in str(answer.get("error", "")).lower() else BROKEN)
    return answer


def _forecasts(answer: dict[str, Any], place: Place) -> Iterator[Forecast]:
    """Yield a forecast for each day that has temperatures; everything else may be absent."""
    result = answer["result"]
    daily = result["daily"]
    skies = _by_day(daily.get("skycon_08h_20h")) or _by_day(daily.get("skycon"))
    rain, wind = _by_day(daily.get("precipitation")), _by_day(daily.get("wind"))
    air = _by_day((daily.get("air_quality") or {}).get("aqi"))
    alerts = _alerts(result.get("alert"))
    first = min(_by_day(daily["temperature"]), default=None)
    for day, temperature in _by_day(daily["temperature"]).items():
        yield Forecast(
            city=place.city,
            day=day,
            sky=SKIES.get(skies.get(day, {}).get("value", ""), Sky.PARTLY_CLOUDY),
            low=round(temperature["min"]),
            high=round(temperature["max"]),
            rain_probability=_percent(rain.get(day, {}).get("probability")),
            wind=_beaufort(wind.get(day, {}).get("max")),
            aqi=_chinese_index(air.get(day, {}).get("avg")),
            alerts=alerts if day == first else (),
            observed_at=datetime.fromtimestamp(answer.get("server_time", 0), UTC),
            source=SOURCE,
        )


def _by_day(rows: Any) -> dict[date, dict[str, Any]]:
    """Index a daily array by its local date, written 2026-11-21T00:00+08:00."""
    return {date.fromisoformat(row["date"][:10]): row for row in rows or ()}


def _percent(probability: Any) -> int | None:
    return None if probability is None else max(0, min(100, round(probability)))


def _beaufort(wind: Any) -> int | None:
    """Return the Beaufort number of a speed in km/h, the unit of metric:v2: v = 0.836 B^(3/2) m/s (WMO-No. 306)."""
    speed = (wind or {}).get("speed")
    return None if speed is None else min(12, round(math.pow(max(speed, 0) / 3.6 / 0.836, 2 / 3)))


def _chinese_index(value: Any) -> int | None:
    index = value.get("chn") if isinstance(value, dict) else value
    return None if index is None else round(index)


def _alerts(alert: Any) -> tuple[str, ...]:
    """Return the titles of warnings in force."""
    content = (alert or {}).get("content") or ()
    return tuple(str(item["title"])[:ALERT_CHARS] for item in content if item.get("title"))[:ALERTS_SHOWN]
