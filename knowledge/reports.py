"""A report: the figures of a query with their totals, the period before, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from db.engine import Database
from knowledge.catalogue import Catalogue
from knowledge.compiler import NO_STORE, QueryRefused, Scope
from knowledge.data_span import DataSpan, data_span
from knowledge.figures import WEEKDAYS, Figures, Key, QueryTrace, figures_of, is_additive
from knowledge.periods import DAY, Period
from knowledge.semantic import SemanticQuery

Cell = str | Decimal | None
Row = tuple[Cell, ...]
Totals = Mapping[str, Decimal | None]
FILLED = {("store",), ("day",), ("store", "day"), ("day", "store")}
TIME_DIMS = frozenset({"day", "week", "month", "hour", "weekday"})
FRACTION = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One split of the report: rows begin with the values of `dims`, then the metrics in the query's order."""

    dims: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ReportResult:
    """Everything an answer may say; `before` is None when the period before is not covered by data."""

    query: SemanticQuery
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Totals
    before_period: Period
    before: Totals | None
    breakdowns: tuple[Breakdown, ...]
    span: DataSpan | None
    store_names: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the period has no order at all."""
        return not any(self.totals.values())

    def as_json(self, catalogue: Catalogue) -> dict[str, Any]:
        """Return columns and rows as JSON values: counts whole, amounts to the cent, shares with four decimals."""
        whole = {name for name, metric in catalogue.metrics.items() if metric.unit == "count"}
        rows = [
            [_plain(cell, name.removesuffix("_before") in whole) for cell, name in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]
        return {"columns": list(self.columns), "rows": rows}


def _plain(cell: Cell, whole: bool) -> str | int | float | None:
    if isinstance(cell, Decimal):
        return int(cell) if whole else float(cell)
    return cell


async def report(
    database: Database, catalogue: Catalogue, query: SemanticQuery, scope: Scope, trace: QueryTrace
) -> ReportResult:
    """Return the report; `QueryRefused` and `QueryFailed` carry a Chinese sentence."""
    narrowed = scope.narrowed(query)
    if not narrowed.stores:
        raise QueryRefused(NO_STORE)
    return await _Reporter(database, catalogue, query, narrowed, trace).report()


@dataclass(frozen=True, slots=True)
class _Reporter:
    """Works out one report."""

    database: Database
    catalogue: Catalogue
    query: SemanticQuery
    scope: Scope
    trace: QueryTrace

    async def report(self) -> ReportResult:
        query = self.query
        with self.trace.step("run_sql"):
            span = await data_span(self.database, self.scope.tenant_id, [store.id for store in self.scope.stores])
        figures = self._filled(await self._figures(query))
        before_period = query.period.year_before() if query.compare == "year" else query.period.previous()
        covered = span is not None and span.first_day <= before_period.first
        # A morning against a whole day says nothing; asked for by name it is shown all the same.
        fair = bool(query.compare) or not (query.period.unfinished and query.period.days == 1)
        earlier = await self._earlier(before_period) if covered and fair else None
        compared = bool(query.compare) and not TIME_DIMS & set(query.dims)
        return ReportResult(
            query=query,
            columns=self._columns(compared),
            rows=self._rows(figures, earlier if compared else None, compared),
            totals=await self._totals(query, figures),
            before_period=before_period,
            before=await self._totals(query.over(before_period), earlier) if earlier else None,
            breakdowns=await self._breakdowns(figures),
            span=span,
            store_names=tuple(store.name for store in self.scope.stores),
        )

    async def _figures(self, query: SemanticQuery) -> Figures:
        return await figures_of(self.database, self.catalogue, query, self.scope, self.trace)

    async def _earlier(self, period: Period) -> Figures:
        """Return the figures of the period before, split only where the rows will show them."""
        dims = self.query.dims if self.query.compare and not TIME_DIMS & set(self.query.dims) else ()
        return await self._figures(self.query.split_by(*dims).over(period))

    async def _totals(self, query: SemanticQuery, figures: Figures) -> Totals:
        whole = await self._split(query, figures, ())
        return {metric: whole.value(self.catalogue, metric) for metric in query.metrics}

    async def _split(self, query: SemanticQuery, figures: Figures, dims: tuple[str, ...]) -> Figures:
        """Return coarser figures: added up where that is right, asked of the database where it is not."""
        if dims == figures.dims:
            return figures
        if is_additive(self.catalogue, query.metrics):
            return figures.rolled_up(dims)
        return await self._figures(query.split_by(*dims))

    async def _breakdowns(self, figures: Figures) -> tuple[Breakdown, ...]:
        """Return the rows as they are for one dimension, and one split per dimension for several."""
        query = self.query
        splits = [(dim,) for dim in query.dims] if len(query.dims) > 1 else [query.dims] if query.dims else []
        parts = []
        for dims in splits:
            part = self._filled(await self._split(query, figures, dims))
            parts.append(Breakdown(dims, self._sorted(part, dims == query.dims)))
        return tuple(parts)

    # --------------------------------------------------------------------------------------------------- rows

    def _columns(self, compared: bool) -> tuple[str, ...]:
        metrics = self.query.metrics
        extra = [name for metric in metrics for name in (f"{metric}_before", f"{metric}_change")] if compared else []
        return (*self.query.dims, *metrics, *extra)

    def _rows(self, figures: Figures, earlier: Figures | None, compared: bool) -> tuple[Row, ...]:
        rows = self._sorted(figures, cut=True)
        if not compared:
            return rows
        return tuple((*row, *self._comparison(row, earlier)) for row in rows)

    def _comparison(self, row: Row, earlier: Figures | None) -> Row:
        places = len(self.query.dims)
        key = tuple(str(cell) for cell in row[:places])
        cells: list[Cell] = []
        for metric, now in zip(self.query.metrics, row[places:], strict=True):
            before = earlier.value(self.catalogue, metric, key) if earlier else None
            change = (now - before) / before if isinstance(now, Decimal) and before else None
            cells += [before, change.quantize(FRACTION) if change is not None else None]
        return tuple(cells)

    def _sorted(self, figures: Figures, cut: bool) -> tuple[Row, ...]:
        """Return the rows in the order asked for, else entities by the first metric and time as it runs."""
        keys = sorted(figures.groups, key=lambda key: self._natural(figures.dims, key))
        if not keys and not figures.dims:
            keys = [()]
        order = self.query.order
        if order is not None:
            keys = self._ranked(figures, keys, order.by, order.descending)
        elif len(figures.dims) == 1 and not TIME_DIMS & set(figures.dims):
            keys = self._ranked(figures, keys, self.query.metrics[0], True)
        shown = keys[: self.query.limit] if cut and self.query.limit else keys
        return tuple((*key, *(figures.value(self.catalogue, m, key) for m in self.query.metrics)) for key in shown)

    def _ranked(self, figures: Figures, keys: list[Key], metric: str, descending: bool) -> list[Key]:
        """Sort by a metric; what has no value comes last in either direction."""
        values = {key: figures.value(self.catalogue, metric, key) for key in keys}
        known = [key for key in keys if values[key] is not None]
        known.sort(key=lambda key: values[key] or Decimal(0), reverse=descending)
        return known + [key for key in keys if values[key] is None]

    def _natural(self, dims: Sequence[str], key: Key) -> tuple[tuple[int, str], ...]:
        stores = [store.name for store in self.scope.stores]
        orders: Mapping[str, Sequence[str]] = {"store": stores, "weekday": WEEKDAYS}
        return tuple(
            (orders[dim].index(value) if dim in orders else 0, value) for dim, value in zip(dims, key, strict=True)
        )

    def _filled(self, figures: Figures) -> Figures:
        """Add the stores and days without any order: a day without sales is news, not a gap."""
        if figures.dims not in FILLED:
            return figures
        stores = [store.name for store in self.scope.stores]
        days = [(self.query.period.first + n * DAY).isoformat() for n in range(self.query.period.days)]
        keys: list[Key] = [()]
        for dim in figures.dims:
            keys = [(*key, value) for key in keys for value in (stores if dim == "store" else days)]
        return Figures(figures.dims, {key: figures.groups.get(key, {}) for key in keys} if figures.groups else {})
