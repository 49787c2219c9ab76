"""Why a number changed: evidence for and against each cause, none of it words of a model.

    windows → is the change outside the usual variation → every hypothesis → verdicts, sorted by effect

Hypotheses are checked even when the total looks usual: a fault can be real although the total hides it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from db.engine import Database
from knowledge.catalogue import Catalogue
from knowledge.compiler import NO_STORE, QueryRefused, Scope
from knowledge.data_span import DataSpan, data_span
from knowledge.decomposition import Baseline, binomial_error
from knowledge.diagnosis_figures import FigureReader, WindowFigures
from knowledge.diagnosis_windows import Windows, windows_of
from knowledge.evidence import Change, Finding
from knowledge.figures import QueryTrace
from knowledge.hypotheses import (
    RATIOS,
    SUMS,
    Case,
    coupon_findings,
    customer_findings,
    metric_of,
    payment_findings,
    untestable_findings,
)
from knowledge.periods import Period

DIAGNOSED = (*RATIOS, *SUMS)
NO_DATA = "您负责的门店还没有任何订单数据。"
NOT_COVERED = "{dates} 的数据不全（数据从 {first} 开始），没法和它比，请换近一点的时间。"
NOTHING_IN = "{dates} 还没有订单，没法分析。"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The evidence; findings come by the size of their effect, the untestable last."""

    change: Change
    windows: Windows
    span: DataSpan
    findings: tuple[Finding, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Return the whole evidence as JSON values."""
        target, before = self.windows.target, self.windows.before
        return {
            "metric": self.change.metric,
            "range": [target.first.isoformat(), target.last.isoformat()],
            "range_before": [before.first.isoformat(), before.last.isoformat()],
            **self.change.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
        }


async def diagnose(
    database: Database,
    catalogue: Catalogue,
    scope: Scope,
    metric: str,
    period: Period | None,
    today: date,
    trace: QueryTrace,
) -> Diagnosis:
    """Return the evidence on one metric; `QueryRefused` and `QueryFailed` carry a Chinese sentence."""
    if not scope.stores:
        raise QueryRefused(NO_STORE)
    windows = windows_of(period, today)
    span = _covering(await data_span(database, scope.tenant_id, [store.id for store in scope.stores]), windows)
    reader = FigureReader(database, catalogue, scope, trace)
    case = await _case(reader, metric, windows, span)
    findings = [
        *customer_findings(case),
        *await payment_findings(case, reader),
        *await coupon_findings(case, reader),
    ]
    findings.sort(key=lambda finding: -(finding.share or 0.0))
    return Diagnosis(case.change, windows, span, (*findings, *untestable_findings()))


def _covering(span: DataSpan | None, windows: Windows) -> DataSpan:
    """Return the span of the data, or raise when it does not cover both windows."""
    if span is None:
        raise QueryRefused(NO_DATA)
    if span.last_day < windows.target.first:
        raise QueryRefused(NOTHING_IN.format(dates=windows.target.dates()))
    if windows.before.first < span.first_day:
        raise QueryRefused(NOT_COVERED.format(dates=windows.before.dates(), first=span.first_day))
    return span


async def _case(reader: FigureReader, metric: str, windows: Windows, span: DataSpan) -> Case:
    now = await reader.window(windows.target)
    history = tuple([await reader.window(period) for period in windows.history(span.first_day)])
    return Case(metric, _change(metric, now, history), now, history[0], history)


def _change(metric: str, now: WindowFigures, history: tuple[WindowFigures, ...]) -> Change:
    """Return the change with its place among the earlier windows; sampling alone sets the least error of a share."""
    value = metric_of(now, metric)
    baseline = Baseline(tuple(metric_of(window, metric) for window in history))
    floor = binomial_error(value, now.total(RATIOS[metric][0])) if metric in {"repeat_rate", "pay_success_rate"} else 0
    error = baseline.error(floor) if baseline.enough else floor
    return Change(metric, value, baseline.values[0], baseline.z(value, floor), len(history), error)
