"""What a diagnosis has found: plain values that code words and a test can read, and the rule for a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

USUAL_Z = 2.0  # within two standard errors of the earlier windows a change is usual variation
EXPOSURE_Z = 3.0
SUPPORTED_SHARE, CONTRIBUTING_SHARE = 0.20, 0.07
CONFIDENCE = 1.96  # 95 % of a normal distribution

Verdict = Literal["supported", "contributing", "refuted", "inconclusive", "untestable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One hypothesis judged.

    `effect` is the change of the metric that goes with it, `share` its part of the whole change; parts overlap and
    are never added. `fault` says that what was looked at is broken, however little it moved the metric.
    """

    name: str
    subject: str
    verdict: Verdict
    numbers: Mapping[str, float] = field(default_factory=dict)
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    share: float | None = None
    z: float | None = None
    fault: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values with six decimals at most."""
        return {
            "name": self.name,
            "subject": self.subject,
            "verdict": self.verdict,
            "effect": _rounded(self.effect),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "share": _rounded(self.share),
            "z": _rounded(self.z),
            "fault": self.fault,
            "numbers": {name: _rounded(value) for name, value in self.numbers.items()},
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A metric now and before; `z` places it among the earlier windows."""

    metric: str
    now: float
    before: float
    z: float | None
    windows: int
    error: float

    @property
    def delta(self) -> float:
        """How much it changed."""
        return self.now - self.before

    @property
    def usual(self) -> bool | None:
        """Whether the change is usual variation; None when there is too little history to say."""
        return None if self.z is None else abs(self.z) < USUAL_Z

    def as_json(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return {
            "now": _rounded(self.now),
            "before": _rounded(self.before),
            "z": _rounded(self.z),
            "windows": self.windows,
            "usual": self.usual,
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """A change of the metric ascribed to one thing, with its standard error."""

    value: float
    error: float


def judge(finding: Finding, moved: bool | None, effect: Effect | None, change: Change) -> Finding:
    """Return the finding with its verdict.

    supported: the exposure moved, the effect's interval excludes zero, at least 20 % of the change; contributing:
    the same with 7–20 %; refuted: the exposure did not move, or even the interval's end stays under 7 %;
    inconclusive: everything between, and too little history to say whether it moved.
    """
    if effect is None or moved is None:
        return _with(finding, "inconclusive" if moved is not False else "refuted", effect, change)
    share = _share(effect.value, change)
    half = CONFIDENCE * _share(effect.error, change, signed=False)
    if not moved or share + half < CONTRIBUTING_SHARE:
        return _with(finding, "refuted", effect, change)
    if share - half <= 0 or share < CONTRIBUTING_SHARE:
        return _with(finding, "inconclusive", effect, change)
    return _with(finding, "supported" if share >= SUPPORTED_SHARE else "contributing", effect, change)


def _share(value: float, change: Change, *, signed: bool = True) -> float:
    """Return the part of the change; one and a half standard errors are the least it is divided by."""
    whole = max(abs(change.delta), 1.5 * change.error)
    if not whole:
        return 0.0
    return (value * math.copysign(1, change.delta) if signed else value) / whole


def _with(finding: Finding, verdict: Verdict, effect: Effect | None, change: Change) -> Finding:
    if effect is None:
        return replace(finding, verdict=verdict)
    half = CONFIDENCE * effect.error
    low, high = effect.value - half, effect.value + half
    share = _share(effect.value, change)
    return replace(finding, verdict=verdict, effect=effect.value, low=low, high=high, share=share)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
