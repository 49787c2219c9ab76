"""What the words of one question add up to, before anyone judges whether they fit together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from knowledge.periods import Period
from knowledge.semantic import Compare
from knowledge.vocabulary import (
    AbsentWord,
    BusinessWord,
    CompareWord,
    DimWord,
    MetricWord,
    PeriodWord,
    RankWord,
    SortWord,
    StoreWord,
    Token,
    TrendWord,
    Unknown,
    ValueWord,
)


@dataclass(slots=True)
class Parts:
    """What the words of one question add up to."""

    metrics: list[str] = field(default_factory=list)
    dims: list[str] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)
    stores: list[StoreWord] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    business: list[BusinessWord] = field(default_factory=list)
    rank: RankWord | None = None
    sort: SortWord | None = None
    compares: list[Compare | None] = field(default_factory=list)
    trend: bool = False

    def take(self, token: Token) -> None:
        """Add one word."""
        match token:
            case MetricWord(name):
                _add(self.metrics, name)
            case DimWord(name):
                _add(self.dims, name)
            case PeriodWord(period):
                _add(self.periods, period)
            case StoreWord():
                _add(self.stores, token)
            case ValueWord(dim, value):
                _add(self.values.setdefault(dim, []), value)
            case AbsentWord(name):
                _add(self.absent, name)
            case Unknown(text):
                _add(self.unknown, text)
            case _:
                self._take_form(token)

    def _take_form(self, token: Token) -> None:
        match token:
            case BusinessWord():
                self.business.append(token)
            case RankWord():
                self.rank = self.rank.joined(token) if self.rank else token
            case SortWord():
                self.sort = token
            case CompareWord(kind):
                self.compares.append(kind)
            case TrendWord():
                self.trend = True

    @property
    def empty(self) -> bool:
        """Whether nothing in it says that a number is wanted."""
        named = self.metrics or self.dims or self.periods or self.business or self.values or self.stores
        return not (named or self.trend or self.rank)


def _add(entries: list[Any], entry: Any) -> None:
    if entry not in entries:
        entries.append(entry)


def gather(tokens: Iterable[Token]) -> Parts:
    """Return the parts that the words make."""
    parts = Parts()
    for token in tokens:
        parts.take(token)
    return parts
