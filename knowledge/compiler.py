"""From a semantic query to SQL: one statement per fact, with bound values, scoped before anything else.

A statement never joins two facts (order lines beside orders would multiply the amounts), so a query over several
facts becomes several statements whose rows meet by their dimensions in `knowledge/figures.py`.

sqlglot builds the text rather than SQLAlchemy core: the measures are SQL in the catalogue, and sqlglot reads that
one spelling and writes each engine's own, where core would need every measure written a second time in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import reduce
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from knowledge.catalogue import FACTS, Catalogue, Dimension, Fact, Measure
from knowledge.semantic import SemanticQuery
from knowledge.stores import StoreRef

if TYPE_CHECKING:
    from sqlglot import exp

NO_STORE = "这里没有您负责的门店。"
UTC_FORMAT = "%Y-%m-%d %H:%M:%S.%f"  # as both engines store a moment

_JOINS = {
    "stores": ("stores AS s", "s.id = o.store_id AND s.tenant_id = o.tenant_id", "inner"),
    "members": ("members AS m", "m.id = o.member_id AND m.tenant_id = o.tenant_id", "left"),
    "products": ("products AS p", "p.id = i.product_id AND p.tenant_id = o.tenant_id", "inner"),
}
_ITEMS = ("order_items AS i", "i.order_id = o.id AND i.tenant_id = o.tenant_id", "inner")
_SCOPE = ("o.tenant_id = :tenant", "o.store_id IN (:stores)")
_RANGE = ("o.business_date >= :first", "o.business_date < :after")
_FACT_WHERE: Mapping[Fact, tuple[str, ...]] = {
    "orders": (),
    "items": ("o.status = 'paid'",),
    "members": ("o.status = 'paid'", "o.member_id IS NOT NULL"),
}


class QueryRefused(Exception):
    """The query cannot be answered truthfully; `str()` is the Chinese reason."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data may be read: a tenant and the stores of one person."""

    tenant_id: int
    stores: tuple[StoreRef, ...]

    def narrowed(self, query: SemanticQuery) -> Scope:
        """Return the scope within the query's store and city filters, which never widen it."""
        names, cities = query.filtered("store"), query.filtered("city")
        kept = (s for s in self.stores if (not names or s.name in names) and (not cities or s.city in cities))
        return Scope(self.tenant_id, tuple(kept))


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT: its columns are the dimensions, then the measures."""

    sql: str
    params: Mapping[str, Any]
    dims: tuple[str, ...]
    measures: tuple[str, ...]


def compile_query(catalogue: Catalogue, query: SemanticQuery, scope: Scope, dialect: str) -> tuple[Statement, ...]:
    """Return the statements that answer the query for "mysql" or "sqlite", or raise why there are none."""
    _refuse_wrong_splits(catalogue, query)
    narrowed = scope.narrowed(query)
    if not narrowed.stores:
        raise QueryRefused(NO_STORE)
    needed = dict.fromkeys(name for metric in query.metrics for name in catalogue.metrics[metric].measures)
    by_fact = {
        fact: [catalogue.measures[name] for name in needed if catalogue.measures[name].fact == fact] for fact in FACTS
    }
    builder = _Builder(catalogue, query, narrowed, dialect)
    return tuple(builder.statement(fact, measures) for fact, measures in by_fact.items() if measures)


def opening_moment(day: date, zone: str) -> datetime:
    """Return when a store's day begins, in UTC."""
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def _refuse_wrong_splits(catalogue: Catalogue, query: SemanticQuery) -> None:
    for metric in query.metrics:
        for dim in query.dims:
            reason = catalogue.refusal(metric, dim)
            if reason:
                raise QueryRefused(f"{reason}。")


@dataclass(frozen=True, slots=True)
class _Builder:
    """Builds the statements of one query."""

    catalogue: Catalogue
    query: SemanticQuery
    scope: Scope
    dialect: str

    @property
    def dims(self) -> list[Dimension]:
        return [self.catalogue.dimensions[name] for name in self.query.dims]

    def statement(self, fact: Fact, measures: Sequence[Measure]) -> Statement:
        select = self._per_member(measures) if fact == "members" else self._over_orders(fact, measures)
        names = tuple(measure.name for measure in measures)
        return Statement(select.sql(dialect=self.dialect), self._params(select), self.query.dims, names)

    def _over_orders(self, fact: Fact, measures: Sequence[Measure]) -> exp.Select:
        columns = {dim.name: self._dim(dim) for dim in self.dims}
        columns |= {measure.name: _parsed(measure.sql, "mysql") for measure in measures}
        joins = {join for measure in measures for join in measure.joins}
        return self._grouped(self._rows(fact, joins), columns, self.query.dims)

    def _per_member(self, measures: Sequence[Measure]) -> exp.Select:
        """Return counts over members: one row per member and group inside, the measures over those rows outside."""
        inner = {dim.name: self._dim(dim) for dim in self.dims}
        inner |= {"member_id": _parsed("o.member_id", "mysql"), "paid_orders": _parsed("COUNT(*)", "mysql")}
        members = self._grouped(self._rows("members", ()), inner, (*self.query.dims, "member_id"))
        outer = {name: _parsed(f"d.{name}", "mysql") for name in self.query.dims}
        outer |= {measure.name: _parsed(measure.sql, "mysql") for measure in measures}
        return self._grouped(_select().from_(members.subquery("d", copy=False), copy=False), outer, self.query.dims)

    @staticmethod
    def _grouped(source: exp.Select, columns: Mapping[str, exp.Expr], keys: Iterable[str]) -> exp.Select:
        aliased = [_alias(expression, name) for name, expression in columns.items()]
        return source.select(*aliased, copy=False).group_by(*(columns[key] for key in keys), copy=False)

    def _rows(self, fact: Fact, joins: Iterable[str]) -> exp.Select:
        """Return the orders in scope and period with what the expressions join."""
        filters = {dim: self.catalogue.dimensions[dim] for dim, _ in self.query.filters}
        needed = set(joins).union(*(dim.joins for dim in [*self.dims, *filters.values()]))
        if len(self._zones()) > 1:
            needed.add("stores")  # a day opens by the store's own zone
        tables = [*([_ITEMS] if fact == "items" else []), *(_JOINS[name] for name in sorted(needed))]
        rows = reduce(_join, tables, _select().from_("orders AS o", dialect="mysql", copy=False))
        conditions = (*_SCOPE, *_RANGE, *_FACT_WHERE[fact])
        rows = rows.where(*conditions, dialect="mysql", copy=False)
        for name, dim in filters.items():
            if name not in {"store", "city"}:  # those two have narrowed the scope
                rows = rows.where(_is_in(self._dim(dim), f"in_{name}"), copy=False)
        return rows

    def _dim(self, dim: Dimension) -> exp.Expr:
        """Return the dimension's expression; a chain in several zones opens its day at several moments."""
        expression = _parsed(dim.sql[self.dialect], self.dialect)
        zones = self._zones()
        if len(zones) == 1:
            return expression
        cases = " ".join(f"WHEN :zone_{place} THEN :opening_{place}" for place in range(len(zones)))
        opening = _parsed(f"CASE s.timezone {cases} END", "mysql")
        return expression.transform(lambda node: opening.copy() if _is_opening(node) else node)

    def _zones(self) -> list[str]:
        return sorted({store.timezone for store in self.scope.stores})

    def _params(self, select: exp.Select) -> dict[str, Any]:
        """Return the values of exactly those parameters that stand in the statement.

        Days and moments travel as text in the form both engines store: the drivers' own adapters differ, and
        sqlite3's are deprecated.
        """
        period, zones = self.query.period, self._zones()
        moments = [opening_moment(period.first, zone).strftime(UTC_FORMAT) for zone in zones]
        values = {
            "tenant": self.scope.tenant_id,
            "stores": tuple(store.id for store in self.scope.stores),
            "first": period.first.isoformat(),
            "after": period.after.isoformat(),
            "opening": moments[0],
            **{f"opening_{place}": moment for place, moment in enumerate(moments)},
            **{f"zone_{place}": zone for place, zone in enumerate(zones)},
            **{f"in_{dim}": names for dim, names in self.query.filters},
        }
        used = {str(node.this) for node in select.walk() if type(node).__name__ == "Placeholder"}
        return {name: value for name, value in values.items() if name in used}


def _is_opening(node: exp.Expr) -> bool:
    return type(node).__name__ == "Placeholder" and node.this == "opening"


def _select() -> exp.Select:
    from sqlglot import exp  # noqa: PLC0415 - see db/sql_guard.py

    return exp.Select()


def _parsed(sql: str, dialect: str) -> exp.Expr:
    from sqlglot import parse_one  # noqa: PLC0415

    return parse_one(sql, read=dialect)


def _alias(expression: exp.Expr, name: str) -> exp.Expr:
    from sqlglot import exp  # noqa: PLC0415

    return exp.alias_(expression.copy(), name)


def _is_in(expression: exp.Expr, parameter: str) -> exp.Expr:
    from sqlglot import exp  # noqa: PLC0415

    return exp.In(this=exp.paren(expression), expressions=[exp.Placeholder(this=parameter)])


def _join(rows: exp.Select, table: tuple[str, str, str]) -> exp.Select:
    name, on, side = table
    return rows.join(name, on=on, join_type=side, dialect="mysql", copy=False)
