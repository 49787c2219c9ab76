"""The weather service: asked once for Shanghai, because only a real question tells a good token from a bad one."""

from __future__ import annotations

import asyncio

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from knowledge.weather import Place, WeatherUnavailable
from knowledge.weather_caiyun import REJECTED, TOO_MANY, CaiyunWeather

WHAT = "天气"
TOKEN = "config.toml 的 [weather] token"  # noqa: S105 - where it is written
SECONDS = 5.0
SHANGHAI = Place("310000", "上海", 31.23, 121.47)


async def check_weather(visit: Visit) -> list[Finding]:
    """Return whether forecasts are real ones."""
    settings = visit.settings.weather
    if settings.provider == "sample":
        fix = f'正式使用请在 config.toml 的 [weather] 写 provider = "caiyun"，{TOKEN} 填彩云的令牌'
        return [HERE.warn("weather.sample", WHAT, "示例天气，不是真的", fix)]
    if settings.token is None:
        return [HERE.fail("weather.no_token", WHAT, "彩云天气没有令牌", f"在彩云开放平台申请一个，填进 {TOKEN}")]
    if visit.free:
        return [HERE.ok("weather.not_asked", WHAT, "彩云天气，没有试（--free）")]
    source = CaiyunWeather(settings.token.get_secret_value(), base_url=settings.base_url, timeout_seconds=SECONDS)
    try:
        async with asyncio.timeout(SECONDS):
            await source.fetch(SHANGHAI)
    except (WeatherUnavailable, TimeoutError) as error:
        return [_trouble(str(error))]
    finally:
        await source.close()
    return [HERE.ok("weather.reachable", WHAT, "彩云天气，令牌有效")]


def _trouble(reason: str) -> Finding:
    if reason == REJECTED:
        return HERE.fail("weather.token", WHAT, "彩云不认这个令牌", f"在彩云开放平台核对令牌，填进 {TOKEN}")
    if reason == TOO_MANY:
        return HERE.warn("weather.quota", WHAT, "彩云今天的调用次数用完了", "明天会恢复；常常不够就在彩云升级套餐")
    fix = "确认这台机器能上网，config.toml 的 [weather] base_url 没有写错。这期间天气提醒会说明查不到"
    return HERE.warn("weather.unreachable", WHAT, reason or "天气服务没有应答", fix)
