"""A question about numbers, understood: the one object that rules, models and follow-ups all fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from knowledge.catalogue import Catalogue
from knowledge.periods import Period

Compare = Literal["previous", "year"]
FILTER_KEYS = ("store", "city", "channel", "member_level", "new_old")
COMPARE_PHRASES = {"previous": "对比上一期", "year": "对比去年同期"}


@dataclass(frozen=True, slots=True)
class Order:
    """How the rows are sorted."""

    by: str
    descending: bool = True


@dataclass(frozen=True, slots=True)
class SemanticQuery:
    """What is asked: metrics split by dimensions over a period, filtered, sorted and cut.

    `filters` holds names, by dimension: a store's own name, a city, a channel.
    """

    metrics: tuple[str, ...]
    period: Period
    dims: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    order: Order | None = None
    limit: int | None = None
    compare: Compare | None = None

    def filtered(self, dim: str) -> tuple[str, ...]:
        """Return the names the dimension is narrowed to, or nothing."""
        return dict(self.filters).get(dim, ())

    def over(self, period: Period) -> SemanticQuery:
        """Return the same question about another period."""
        return replace(self, period=period)

    def split_by(self, *dims: str) -> SemanticQuery:
        """Return the same question split by other dimensions, uncut."""
        return replace(self, dims=dims, order=None, limit=None)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON; both days of `range` belong to it."""
        return {
            "metrics": list(self.metrics),
            "dims": list(self.dims),
            "range": [self.period.first.isoformat(), self.period.last.isoformat()],
            "filters": {dim: list(names) for dim, names in self.filters},
            "order": {"by": self.order.by, "desc": self.order.descending} if self.order else None,
            "limit": self.limit,
            "compare": self.compare,
        }

    def sentence(self, catalogue: Catalogue) -> str:
        """Return the question in one canonical line: 最近7天（11-14~11-20）· 各门店 · GMV、订单数."""
        label, dates = self.period.label, self.period.dates()
        parts = [dates if label == dates else f"{label}（{dates}）"]
        parts += ["、".join(names) for _, names in self.filters]
        parts += [catalogue.dimensions[dim].phrase for dim in self.dims]
        parts.append("、".join(catalogue.metrics[name].title for name in self.metrics))
        if self.order and self.limit:
            parts.append(f"{catalogue.title(self.order.by)}{'前' if self.order.descending else '后'}{self.limit}")
        if self.compare:
            parts.append(COMPARE_PHRASES[self.compare])
        return " · ".join(parts)


def question_of(query: SemanticQuery, catalogue: Catalogue) -> str:
    """Return a question that the parser reads as this query: 最近7天上海静安店各渠道GMV、订单数."""
    names = "、".join(name for _, values in query.filters for name in values)
    dims = "".join(catalogue.dimensions[dim].phrase for dim in query.dims)
    metrics = "、".join(catalogue.metrics[name].title for name in query.metrics)
    return f"{query.period.label}{names}{dims}{metrics}"


def filters_of(chosen: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return filters in their fixed order, without the empty ones."""
    return tuple((key, chosen[key]) for key in FILTER_KEYS if chosen.get(key))
