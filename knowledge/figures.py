"""Running a semantic query: compile, guard, run, and put the rows of its statements together.

Money is added and divided as `Decimal` here, so both engines give the same figure to the cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, Protocol

from db.engine import Database
from db.query import run_guarded
from db.sql_guard import Verdict, check
from knowledge.catalogue import Catalogue, Measure, Unit, ValueKind
from knowledge.compiler import QueryRefused, Scope, Statement, compile_query
from knowledge.semantic import SemanticQuery

MAX_ROWS = 20_000
TIMEOUT_S = 10.0
TOO_MANY_ROWS = f"结果超过 {MAX_ROWS} 行，请缩小时间范围或少拆一个维度。"
NOT_ALLOWED = "这条查询没有通过检查：{reason}"
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
STEPS: Mapping[Unit, Decimal] = {
    "yuan": Decimal("0.01"),
    "ratio": Decimal("0.0001"),
    "number": Decimal("0.0001"),
    "count": Decimal(1),
}

Key = tuple[str, ...]
Sums = Mapping[str, Decimal]


class QueryTrace(Protocol):
    """Where the SQL, the guard's verdict and the milliseconds of an answer are kept."""

    sql: list[str]
    guard: dict[str, Any] | None

    def step(self, name: str) -> AbstractContextManager[None]:
        """Add the time the block takes to a named step."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """The measures of a query by the values of its dimensions."""

    dims: tuple[str, ...]
    groups: Mapping[Key, Sums]

    def value(self, catalogue: Catalogue, metric: str, key: Key = ()) -> Decimal | None:
        """Return the metric of one group; None where there is nothing to divide by."""
        return metric_value(catalogue, metric, self.groups.get(key, {}))

    def rolled_up(self, dims: Sequence[str]) -> Figures:
        """Return sums over the other dimensions; right for additive measures only."""
        places = [self.dims.index(dim) for dim in dims]
        groups: dict[Key, dict[str, Decimal]] = {}
        for key, sums in self.groups.items():
            into = groups.setdefault(tuple(key[place] for place in places), {})
            for name, value in sums.items():
                into[name] = into.get(name, Decimal(0)) + value
        return Figures(tuple(dims), groups)


def metric_value(catalogue: Catalogue, metric: str, sums: Sums) -> Decimal | None:
    """Return a metric computed from its measures, rounded as its unit is shown."""
    entry = catalogue.metrics[metric]
    top = sums.get(entry.numerator, Decimal(0))
    if entry.denominator is not None:
        below = sums.get(entry.denominator, Decimal(0))
        if not below:
            return None
        top = top / below
    return top.quantize(STEPS[entry.unit], ROUND_HALF_UP)


def is_additive(catalogue: Catalogue, metrics: Sequence[str]) -> bool:
    """Tell whether the metrics' measures may be added up over dimensions."""
    return all(catalogue.measures[name].additive for metric in metrics for name in catalogue.metrics[metric].measures)


async def figures_of(
    database: Database, catalogue: Catalogue, query: SemanticQuery, scope: Scope, trace: QueryTrace
) -> Figures:
    """Return the figures of a query; `QueryRefused` and `QueryFailed` carry a Chinese sentence."""
    dialect = "sqlite" if database.is_sqlite else "mysql"
    with trace.step("gen_sql"):
        statements = compile_query(catalogue, query, scope, dialect)
    groups: dict[Key, dict[str, Decimal]] = {}
    for statement in statements:
        rows = await run_checked(database, statement.sql, statement.params, trace)
        _merge(groups, statement, rows, catalogue)
    return Figures(query.dims, groups)


async def run_checked(
    database: Database, sql: str, params: Mapping[str, Any], trace: QueryTrace
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that passed the guard, all of them or none."""
    with trace.step("gen_sql"):
        verdict = _verdict(sql, "sqlite" if database.is_sqlite else "mysql")
    trace.guard = verdict.as_debug()
    if not verdict.passed:
        raise QueryRefused(NOT_ALLOWED.format(reason=verdict.reason))
    trace.sql.append(verdict.sql)
    with trace.step("run_sql"):
        _, rows = await run_guarded(database, verdict.sql, params, MAX_ROWS, TIMEOUT_S)
    if len(rows) == MAX_ROWS:
        raise QueryRefused(TOO_MANY_ROWS)
    return rows


@lru_cache(maxsize=512)
def _verdict(sql: str, dialect: str) -> Verdict:
    """Return the guard's verdict; the same text gets the same one, and a diagnosis asks a text many times over."""
    return check(sql, dialect, max_rows=MAX_ROWS)


def _merge(
    groups: dict[Key, dict[str, Decimal]], statement: Statement, rows: list[tuple[Any, ...]], catalogue: Catalogue
) -> None:
    kinds = [catalogue.dimensions[name].value for name in statement.dims]
    measures = [catalogue.measures[name] for name in statement.measures]
    for row in rows:
        key = tuple(_label(value, kind) for value, kind in zip(row, kinds, strict=False))
        sums = {m.name: _sum(value, m) for m, value in zip(measures, row[len(kinds) :], strict=True)}
        groups.setdefault(key, {}).update(sums)


def _label(value: Any, kind: ValueKind) -> str:
    if kind == "date":
        return value.isoformat() if isinstance(value, date) else str(value)[:10]
    if kind == "weekday":
        return WEEKDAYS[int(value)]
    return f"{int(value):02d}:00" if kind == "hour" else str(value)


def _sum(value: Any, measure: Measure) -> Decimal:
    """Return a sum exactly: SQLite adds amounts as floats, whose error stays far below half a cent."""
    return Decimal(str(value or 0)).quantize(STEPS[measure.unit], ROUND_HALF_UP)
