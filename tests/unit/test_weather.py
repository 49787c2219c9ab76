from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from knowledge.weather import Forecast, Place, Sky, WeatherKind, WeatherUnavailable, advice, kind_of
from knowledge.weather_cache import CachedWeather
from knowledge.weather_caiyun import CaiyunWeather
from knowledge.weather_sample import SampleWeather
from tests.fakes.weather import TOKEN, FakeCaiyun, caiyun_answer, fake_caiyun

SHANGHAI = Place("310106", "上海", 31.2287, 121.4481)
TODAY = date(2026, 11, 21)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 0, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def caiyun() -> AsyncIterator[FakeCaiyun]:
    async with fake_caiyun() as fake:
        yield fake


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def weather(caiyun: FakeCaiyun, clock: Clock) -> AsyncIterator[CachedWeather]:
    source = CachedWeather(CaiyunWeather(TOKEN, base_url=caiyun.base_url, timeout_seconds=0.5), clock)
    yield source
    await source.close()


async def test_caiyun_is_asked_with_longitude_first_and_answers_a_forecast(
    weather: CachedWeather, caiyun: FakeCaiyun
) -> None:
    forecast = await weather.forecast(SHANGHAI, TODAY)
    assert caiyun.calls == ["121.4481,31.2287"]
    assert caiyun.queries[0]["unit"] == "metric:v2"
    assert (forecast.sky, forecast.low, forecast.high) == (Sky.LIGHT_RAIN, 8, 13)
    assert (forecast.rain_probability, forecast.wind, forecast.aqi) == (80, 4, 62)
    assert forecast.alerts == ("上海市气象台发布大风蓝色预警",)
    assert (forecast.city, forecast.source, forecast.sample, forecast.stale) == ("上海", "彩云天气", False, False)


async def test_everything_but_the_temperature_is_optional(weather: CachedWeather, caiyun: FakeCaiyun) -> None:
    daily = {"temperature": [{"date": "2026-11-21T00:00+08:00", "max": -2, "min": -9}]}
    caiyun.answer = {"status": "ok", "result": {"daily": daily}}
    forecast = await weather.forecast(SHANGHAI, TODAY)
    assert (forecast.low, forecast.high) == (-9, -2)
    assert (forecast.rain_probability, forecast.wind, forecast.aqi, forecast.alerts) == (None, None, None, ())


@pytest.mark.parametrize("failure", ["500", "503", "429", "401", "html", "half", "drip"])
async def test_every_failure_becomes_weather_unavailable(
    weather: CachedWeather, caiyun: FakeCaiyun, failure: str
) -> None:
    caiyun.failure = failure
    with pytest.raises(WeatherUnavailable):
        await weather.forecast(SHANGHAI, TODAY)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": "ok"},
        {"status": "ok", "result": {"daily": {"temperature": []}}},
        {"status": "ok", "result": {"daily": {"temperature": [{"date": "never", "max": 1, "min": 0}]}}},
        {"status": "ok", "result": {"daily": {"temperature": [{"date": "2026-11-21", "max": None, "min": 0}]}}},
        {"status": "failed", "error": "'token is invalid'"},
    ],
)
async def test_an_answer_without_a_forecast_is_refused(
    weather: CachedWeather, caiyun: FakeCaiyun, answer: dict[str, object]
) -> None:
    caiyun.answer = answer
    with pytest.raises(WeatherUnavailable):
        await weather.forecast(SHANGHAI, TODAY)


async def test_a_service_that_is_not_there(clock: Clock) -> None:
    source = CachedWeather(CaiyunWeather(TOKEN, base_url="http://127.0.0.1:9", timeout_seconds=0.5), clock)
    with pytest.raises(WeatherUnavailable, match="没有应答"):
        await source.forecast(SHANGHAI, TODAY)
    await source.close()


def lines_of_the_client(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith(("httpx", "httpcore"))]


async def test_the_token_is_not_in_the_logs_of_a_call(weather: CachedWeather, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await weather.forecast(SHANGHAI, TODAY)
    assert any("/v2.6/" in line for line in lines_of_the_client(caplog))
    assert not any(TOKEN in line for line in lines_of_the_client(caplog))


@pytest.mark.parametrize("failure", ["500", "drip", "half"])
async def test_the_token_shows_neither_in_the_logs_nor_in_the_error_of_a_failed_call(
    weather: CachedWeather, caiyun: FakeCaiyun, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caiyun.failure = failure
    with pytest.raises(WeatherUnavailable) as failed:
        await weather.forecast(SHANGHAI, TODAY)
    told = "".join(traceback.format_exception(failed.value)) + repr(failed.value.__cause__)
    assert TOKEN not in told
    assert not any(TOKEN in line for line in lines_of_the_client(caplog))


async def test_a_wrong_token_is_named_without_being_shown(caiyun: FakeCaiyun, clock: Clock) -> None:
    source = CachedWeather(CaiyunWeather("wrong-token", base_url=caiyun.base_url), clock)
    with pytest.raises(WeatherUnavailable, match="令牌无效"):
        await source.forecast(SHANGHAI, TODAY)
    await source.close()


async def test_one_call_serves_the_hour_for_everybody(weather: CachedWeather, caiyun: FakeCaiyun, clock: Clock) -> None:
    caiyun.gate = asyncio.Event()
    asking = [asyncio.create_task(weather.forecast(SHANGHAI, TODAY)) for _ in range(20)]
    await asyncio.sleep(0.05)
    asking[0].cancel()  # the one who called goes away, the others still get their answer
    caiyun.gate.set()
    answers = await asyncio.gather(*asking[1:])
    assert len({a.high for a in answers}) == 1
    assert len(caiyun.calls) <= 2
    clock.now += timedelta(minutes=30)
    await weather.forecast(SHANGHAI, TODAY + timedelta(days=1))
    assert len(caiyun.calls) <= 2
    clock.now += timedelta(hours=1)
    await weather.forecast(SHANGHAI, TODAY)
    assert len(caiyun.calls) <= 3


async def test_old_figures_are_marked_when_the_service_fails(
    weather: CachedWeather, caiyun: FakeCaiyun, clock: Clock
) -> None:
    await weather.forecast(SHANGHAI, TODAY)
    caiyun.failure = "500"
    clock.now += timedelta(hours=3)
    assert (await weather.forecast(SHANGHAI, TODAY)).stale
    caiyun.failure = ""
    clock.now += timedelta(minutes=2)
    assert not (await weather.forecast(SHANGHAI, TODAY)).stale


async def test_figures_of_yesterday_are_not_shown_as_todays(
    weather: CachedWeather, caiyun: FakeCaiyun, clock: Clock
) -> None:
    await weather.forecast(SHANGHAI, TODAY)
    caiyun.failure = "500"
    clock.now += timedelta(hours=20)
    with pytest.raises(WeatherUnavailable):
        await weather.forecast(SHANGHAI, TODAY)


async def test_a_dead_service_is_asked_once_a_minute(weather: CachedWeather, caiyun: FakeCaiyun, clock: Clock) -> None:
    caiyun.failure = "500"
    for _ in range(5):
        with pytest.raises(WeatherUnavailable):
            await weather.forecast(SHANGHAI, TODAY)
    assert len(caiyun.calls) == 1
    clock.now += timedelta(minutes=1)
    caiyun.failure = ""
    await weather.forecast(SHANGHAI, TODAY)
    assert len(caiyun.calls) == 2


async def test_a_day_the_service_does_not_tell(weather: CachedWeather, caiyun: FakeCaiyun) -> None:
    caiyun.answer = caiyun_answer()
    with pytest.raises(WeatherUnavailable, match="没有12月25日的预报"):
        await weather.forecast(SHANGHAI, date(2026, 12, 25))


async def test_the_sample_is_the_same_each_time_and_marked() -> None:
    first, second = [await SampleWeather().forecast(SHANGHAI, TODAY) for _ in range(2)]
    assert first == second
    assert (first.sample, first.source) == (True, "示例天气")


@pytest.mark.parametrize(
    ("lat", "month", "coldest", "hottest"), [(45.8, 1, -35, -3), (45.8, 7, 10, 38), (20.0, 1, 5, 33), (31.2, 7, 15, 42)]
)
async def test_the_sample_is_plausible(lat: float, month: int, coldest: int, hottest: int) -> None:
    for day in range(1, 29):
        forecast = await SampleWeather().forecast(Place("000000", "某市", lat, 120.0), date(2026, month, day))
        assert coldest <= forecast.low < forecast.high <= hottest


def forecast_of(**changes: object) -> Forecast:
    plain = Forecast("上海", TODAY, Sky.CLEAR, 15, 22, 10, 2, 50, (), datetime(2026, 11, 21, tzinfo=UTC), "彩云天气")
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"sky": Sky.RAIN}, WeatherKind.RAIN, "带伞"),
        ({"rain_probability": 70}, WeatherKind.RAIN, "带伞"),
        ({"sky": Sky.SNOW, "low": -3, "high": 1}, WeatherKind.SNOW, "防滑"),
        ({"low": 27, "high": 36}, WeatherKind.HOT, "天热"),
        ({"low": -12, "high": -4}, WeatherKind.COLD, "羽绒服"),
        ({"wind": 7}, WeatherKind.WINDY, "风大"),
        ({"aqi": 220}, WeatherKind.HAZE, "口罩"),
        ({"sky": Sky.FOG}, WeatherKind.FOG, "雾"),
        ({"low": 8, "high": 22}, WeatherKind.FAIR, "温差"),
        ({"alerts": ("台风黄色预警",)}, WeatherKind.FAIR, "预警：台风黄色预警"),
    ],
)
def test_advice_follows_the_figures(changes: dict[str, object], kind: WeatherKind, words: str) -> None:
    forecast = forecast_of(**changes)
    assert kind_of(forecast) is kind
    assert words in "".join(advice(forecast))
    assert advice(forecast)[-1].startswith("门店：")
