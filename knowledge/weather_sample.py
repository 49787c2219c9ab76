"""A made-up forecast for the demo: the same for one place and day, plausible by latitude and season, and marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from random import Random

from knowledge.weather import Forecast, Place, Sky

SOURCE = "示例天气"
COLDEST_DAY = 20  # 20 January
# Yearly mean and swing by latitude: a straight line through Haikou, Shanghai and Harbin.
MEAN_AT_20N, MEAN_PER_DEGREE = 25.0, -0.75
SWING_AT_20N, SWING_PER_DEGREE = 5.0, 0.6
WINTER_RAIN, SUMMER_RAIN = 0.18, 0.45
FAIR_SKIES = (Sky.CLEAR, Sky.CLEAR, Sky.PARTLY_CLOUDY, Sky.PARTLY_CLOUDY, Sky.OVERCAST)
RAIN_SKIES = (Sky.LIGHT_RAIN, Sky.LIGHT_RAIN, Sky.LIGHT_RAIN, Sky.RAIN, Sky.HEAVY_RAIN)
SNOW_SKIES = (Sky.LIGHT_SNOW, Sky.LIGHT_SNOW, Sky.SNOW)


@dataclass(frozen=True, slots=True)
class SampleWeather:
    """Forecasts without a network, for trying things out."""

    async def forecast(self, place: Place, day: date) -> Forecast:
        """Return the made-up weather of this place and day."""
        seed = int.from_bytes(blake2b(f"{place.adcode}:{day.isoformat()}".encode(), digest_size=8).digest())
        random = Random(seed)
        summer = (1 - math.cos(2 * math.pi * (day.timetuple().tm_yday - COLDEST_DAY) / 365.25)) / 2
        mean = _mean(place.lat, summer) + random.uniform(-3, 3)
        spread = random.uniform(3, 6)
        low, high = round(mean - spread), round(mean + spread)
        rain = random.random() < WINTER_RAIN + (SUMMER_RAIN - WINTER_RAIN) * summer
        return Forecast(
            city=place.city,
            day=day,
            sky=random.choice(_skies(rain, high)),
            low=low,
            high=high,
            rain_probability=random.randint(60, 95) if rain else random.randint(0, 25),
            wind=random.randint(1, 5),
            aqi=random.randint(30, 110 if summer > 0.5 else 140),
            alerts=(),
            observed_at=datetime.combine(day, time(0), UTC),
            source=SOURCE,
            sample=True,
        )


def _mean(lat: float, summer: float) -> float:
    """Return the mean of the day; `summer` is 0 on the coldest and 1 on the hottest day of the year."""
    north = max(abs(lat) - 20, 0)
    swing = SWING_AT_20N + SWING_PER_DEGREE * north
    return MEAN_AT_20N + MEAN_PER_DEGREE * north + swing * (2 * summer - 1)


def _skies(rain: bool, high: int) -> tuple[Sky, ...]:
    if not rain:
        return FAIR_SKIES
    return SNOW_SKIES if high <= 3 else RAIN_SKIES
