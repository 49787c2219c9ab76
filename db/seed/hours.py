"""When in a day, and through which channel, people buy."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

CHANNELS = ("门店", "小程序", "外卖")
SHARES = {"门店": 0.58, "小程序": 0.30, "外卖": 0.12}
OPEN_UNTIL = (10, 30)  # the open day has orders until here

# Weight by hour, 0 to 23. The shops open from 10 to 22; the mini program never closes.
HOURS = {
    "门店": (0,) * 10 + (3, 5, 7, 6, 7, 8, 8, 7, 8, 10, 9, 5) + (0,) * 2,
    "小程序": (2, 1, 0.5, 0.3, 0.3, 0.5, 1, 2, 4, 5, 6, 6, 7, 6, 5, 5, 5, 5, 6, 7, 9, 10, 8, 5),
    "外卖": (0,) * 10 + (4, 7, 9, 7, 5, 5, 6, 8, 9, 8, 6, 3) + (0,) * 2,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """Some minutes of an hour in one channel."""

    channel: str
    hour: int
    minutes: int
    weight: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A second of a day and the channel."""

    second: int
    channel: str


class DayProfile:
    """A distribution of moments; `weight` compares how much of a day it holds."""

    def __init__(self, slots: list[Slot]) -> None:
        self._slots = slots
        self._cumulative = list(accumulate(slot.weight for slot in slots))
        self.weight = self._cumulative[-1]

    def draw(self, rng: random.Random, count: int) -> list[Moment]:
        """Return `count` moments in no order."""
        chosen = rng.choices(self._slots, cum_weights=self._cumulative, k=count)
        return [Moment(slot.hour * 3600 + int(rng.random() * slot.minutes * 60), slot.channel) for slot in chosen]


def whole_day() -> DayProfile:
    """Return the profile of a complete day."""
    return DayProfile([Slot(c, h, 60, _weight(c, h)) for c in CHANNELS for h in range(24) if HOURS[c][h]])


def open_day() -> DayProfile:
    """Return the profile of a day that has got as far as mid-morning."""
    hour, minutes = OPEN_UNTIL
    before = [Slot(c, h, 60, _weight(c, h)) for c in CHANNELS for h in range(hour) if HOURS[c][h]]
    last = [Slot(c, hour, minutes, _weight(c, hour) * minutes / 60) for c in CHANNELS if HOURS[c][hour]]
    return DayProfile(before + last)


def _weight(channel: str, hour: int) -> float:
    return SHARES[channel] * HOURS[channel][hour] / sum(HOURS[channel])
