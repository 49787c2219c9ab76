"""What the weather asks of a shop: forecasts as values, who is asked for them, and advice computed by code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

RAIN_LIKELY = 50
HOT, WARM, MILD, COOL, COLD, FREEZING = 33, 24, 17, 10, 5, 0
COLD_ALL_DAY = 12  # a day that gets no warmer is a cold one
BIG_SWING = 12
STRONG_WIND = 6
BAD_AIR = 150

ADVICE_RAIN = "带伞出门，路上慢行。"
ADVICE_SNOW = "路面可能结冰，穿防滑的鞋。"
ADVICE_AIR = "空气不好，出门戴口罩。"
ADVICE_WIND = "风大，注意高空坠物，少骑车。"
ADVICE_SWING = "早晚温差大，带件外套。"
ADVICE_DUST = "有沙尘，出门护好口鼻。"
ADVICE_FOG = "有雾，开车减速。"
CLOTHES = (
    (HOT, "天热，穿透气的短袖，多喝水。"),
    (WARM, "穿短袖或薄衬衫就好。"),
    (MILD, "一件长袖或薄外套正合适。"),
    (COOL, "穿针织衫加外套。"),
    (COLD, "穿毛衣加厚外套。"),
    (FREEZING, "穿大衣或羽绒服，围上围巾。"),
)
CLOTHES_FROST = "零下了，穿羽绒服，戴好帽子手套。"
SHOP_RAIN = "门店：门口铺防滑垫，备伞架和一次性伞套。"
SHOP_SNOW = "门店：及时扫雪，门口铺防滑垫，备热饮。"
SHOP_HOT = "门店：开足冷气，备凉茶；薄款和防晒款往前陈列。"
SHOP_COLD = "门店：备热水；外套、羊绒和保暖款往前陈列。"
SHOP_WIND = "门店：收好门口的展架和海报。"
SHOP_FAIR = "门店：天气不错，可以约老客来店里坐坐。"
SHOP_FOG = "门店：门口灯光开亮，提醒顾客慢走。"
SHOP_AIR = "门店：关好门窗，开空气净化器。"
ALERT = "预警：{title}"


class Sky(StrEnum):
    """The main look of a day; the value is what people say."""

    CLEAR = "晴"
    PARTLY_CLOUDY = "多云"
    OVERCAST = "阴"
    LIGHT_RAIN = "小雨"
    RAIN = "中雨"
    HEAVY_RAIN = "大雨"
    STORM = "暴雨"
    LIGHT_SNOW = "小雪"
    SNOW = "中雪"
    HEAVY_SNOW = "大雪"
    FOG = "雾"
    HAZE = "霾"
    DUST = "沙尘"
    WIND = "大风"


RAINY = frozenset({Sky.LIGHT_RAIN, Sky.RAIN, Sky.HEAVY_RAIN, Sky.STORM})
SNOWY = frozenset({Sky.LIGHT_SNOW, Sky.SNOW, Sky.HEAVY_SNOW})


class WeatherKind(StrEnum):
    """What a day's weather is about, for choosing words; the value is the key in the template library."""

    RAIN = "rain"
    SNOW = "snow"
    HOT = "hot"
    COLD = "cold"
    WINDY = "windy"
    HAZE = "haze"
    FOG = "fog"
    FAIR = "fair"


class WeatherUnavailable(Exception):
    """No forecast can be had; `str()` is a Chinese reason without addresses or tokens."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a forecast is asked for; shops of one district share the six-digit `adcode` and so the forecast."""

    adcode: str
    city: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """One day in one city. What a source does not tell is None; degrees are Celsius, wind is a Beaufort number.

    `sample` marks figures that were made up for a demo, `stale` ones that a failing source could not renew.
    """

    city: str
    day: date
    sky: Sky
    low: int
    high: int
    rain_probability: int | None
    wind: int | None
    aqi: int | None
    alerts: tuple[str, ...]
    observed_at: datetime
    source: str
    sample: bool = False
    stale: bool = False

    @property
    def wet(self) -> bool:
        """Whether rain is to be expected."""
        return self.sky in RAINY or (self.sky not in SNOWY and (self.rain_probability or 0) >= RAIN_LIKELY)

    @property
    def snowy(self) -> bool:
        """Whether snow is to be expected."""
        return self.sky in SNOWY


class WeatherSource(Protocol):
    """Tells the weather of one day at one place."""

    async def forecast(self, place: Place, day: date) -> Forecast:
        """Return the forecast; `WeatherUnavailable` says why there is none."""
        ...


def kind_of(forecast: Forecast) -> WeatherKind:
    """Return what matters most about the day."""
    kinds = (
        (forecast.snowy, WeatherKind.SNOW),
        (forecast.wet, WeatherKind.RAIN),
        (forecast.high >= HOT, WeatherKind.HOT),
        (forecast.sky is Sky.WIND or (forecast.wind or 0) >= STRONG_WIND, WeatherKind.WINDY),
        (forecast.sky in {Sky.HAZE, Sky.DUST} or (forecast.aqi or 0) >= BAD_AIR, WeatherKind.HAZE),
        (forecast.sky is Sky.FOG, WeatherKind.FOG),
        (forecast.low <= COLD or forecast.high <= COLD_ALL_DAY, WeatherKind.COLD),
    )
    return next((kind for holds, kind in kinds if holds), WeatherKind.FAIR)


def advice(forecast: Forecast) -> list[str]:
    """Return what to do: warnings first, then umbrella and clothes, then what the shop should prepare."""
    alerts = [ALERT.format(title=title) for title in forecast.alerts]
    return [*alerts, *_outdoors(forecast), _clothes(forecast), _shop(forecast)]


def _outdoors(forecast: Forecast) -> list[str]:
    lines = (
        (forecast.wet, ADVICE_RAIN),
        (forecast.snowy, ADVICE_SNOW),
        (forecast.sky is Sky.WIND or (forecast.wind or 0) >= STRONG_WIND, ADVICE_WIND),
        (forecast.sky is Sky.DUST, ADVICE_DUST),
        (forecast.sky is not Sky.DUST and (forecast.sky is Sky.HAZE or (forecast.aqi or 0) >= BAD_AIR), ADVICE_AIR),
        (forecast.sky is Sky.FOG, ADVICE_FOG),
        (forecast.high - forecast.low >= BIG_SWING, ADVICE_SWING),
    )
    return [line for holds, line in lines if holds]


def _clothes(forecast: Forecast) -> str:
    feels = forecast.high if forecast.high >= WARM else (forecast.high + forecast.low) // 2
    return next((words for limit, words in CLOTHES if feels >= limit), CLOTHES_FROST)


_SHOP = {
    WeatherKind.SNOW: SHOP_SNOW,
    WeatherKind.RAIN: SHOP_RAIN,
    WeatherKind.HOT: SHOP_HOT,
    WeatherKind.COLD: SHOP_COLD,
    WeatherKind.WINDY: SHOP_WIND,
    WeatherKind.HAZE: SHOP_AIR,
    WeatherKind.FOG: SHOP_FOG,
    WeatherKind.FAIR: SHOP_FAIR,
}


def _shop(forecast: Forecast) -> str:
    return _SHOP[kind_of(forecast)]
