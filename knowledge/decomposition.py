"""The arithmetic of "why": is a change real, and which part of it belongs to whom."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

LEAST_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a figure was in earlier windows."""

    values: tuple[float, ...]

    @property
    def enough(self) -> bool:
        """Whether there are windows enough to speak of a usual variation."""
        return len(self.values) >= LEAST_WINDOWS

    @property
    def mean(self) -> float:
        """The usual value."""
        return fmean(self.values)

    def error(self, floor: float = 0.0) -> float:
        """Return the standard error of a new window against the mean; `floor` is what sampling alone gives."""
        return max(stdev(self.values), floor) * math.sqrt(1 + 1 / len(self.values))

    def z(self, value: float, floor: float = 0.0) -> float | None:
        """Return how many standard errors a new value lies from the usual one; None without history or variation."""
        if not self.enough:
            return None
        error = self.error(floor)
        return (value - self.mean) / error if error else None


def binomial_error(share: float, count: float) -> float:
    """Return the standard error of a share of so many."""
    return math.sqrt(max(share * (1 - share), 0.0) / count) if count else 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a ratio: `base` members of which `hits` count (orders and their amount, for an average)."""

    base: float
    hits: float

    @property
    def rate(self) -> float:
        """The group's own ratio."""
        return self.hits / self.base if self.base else 0.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one group adds to a change: `mix` because its weight moved, `rate` because its own ratio did."""

    mix: float
    rate: float


def kitagawa(before: Mapping[str, Group], after: Mapping[str, Group]) -> dict[str, Contribution]:
    """Return each group's part in the change of Σ weight·rate; all parts add up to the change exactly.

    Kitagawa's symmetric decomposition: mix = Δw·(mean r − mean R), rate = mean w·Δr.
    """
    whole = (_ratio(before.values()) + _ratio(after.values())) / 2
    parts: dict[str, Contribution] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name, Group(0, 0)), after.get(name, Group(0, 0))
        w0, w1 = weight(name, before), weight(name, after)
        # A group absent from one side has no ratio of its own there; its other one stands in, so all of it is mix.
        r0, r1 = (old.rate if old.base else new.rate), (new.rate if new.base else old.rate)
        parts[name] = Contribution(mix=(w1 - w0) * ((r0 + r1) / 2 - whole), rate=(w0 + w1) / 2 * (r1 - r0))
    return parts


def weight(name: str, groups: Mapping[str, Group]) -> float:
    """Return the group's share of the base."""
    total = sum(group.base for group in groups.values())
    return groups[name].base / total if total and name in groups else 0.0


def thinned(counts: Sequence[tuple[int, int, int]], restored: float, at_least: int) -> float:
    """Return how many members would have `at_least` orders if each failed one had succeeded with that probability.

    `counts` are (paid, failed, members).
    """
    return sum(members * _chance(failed, restored, at_least - paid) for paid, failed, members in counts)


def _chance(tries: int, probability: float, needed: int) -> float:
    """Return the chance of at least so many successes."""
    terms = range(max(needed, 0), tries + 1)
    return sum(math.comb(tries, n) * probability**n * (1 - probability) ** (tries - n) for n in terms)


def _ratio(groups: Collection[Group]) -> float:
    base = sum(group.base for group in groups)
    return sum(group.hits for group in groups) / base if base else 0.0
