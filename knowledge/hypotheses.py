"""The causes that can be checked against the data, and those that cannot.

Each check says what was looked at (the exposure), whether it left its usual range, and how much the metric would
differ had it not: for shares by Kitagawa's mix and rate, for sums by difference, for payments by putting the excess
failures back. Intervals are normal approximations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from knowledge.decomposition import (
    Baseline,
    Contribution,
    Group,
    binomial_error,
    kitagawa,
    thinned,
    weight,
)
from knowledge.diagnosis_figures import NEW, OLD, FigureReader, WindowFigures
from knowledge.evidence import EXPOSURE_Z, Change, Effect, Finding, judge
from knowledge.stores import StoreRef

PAYMENT_Z = 3.5
STORES_REPORTED = 3
UNTESTABLE: Mapping[str, str] = {
    "weather": "天气",
    "competitor": "竞品",
    "staffing": "人员排班",
    "reach": "触达次数",
}

# A ratio's base and hits by metric; sums have no base.
RATIOS: Mapping[str, tuple[str, str]] = {
    "repeat_rate": ("active_members", "repeat_members"),
    "aov": ("paid_orders", "paid_amount"),
    "pay_success_rate": ("attempts", "paid_orders"),
}
SUMS: Mapping[str, str] = {"gmv": "paid_amount", "order_count": "paid_orders"}


def metric_of(window: WindowFigures, metric: str) -> float:
    """Return a metric of a window."""
    if metric in SUMS:
        return window.total(SUMS[metric])
    base, hits = RATIOS[metric]
    return window.total(hits) / window.total(base) if window.total(base) else 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One metric's change with the windows it is judged by; `history` is newest first and begins with `before`."""

    metric: str
    change: Change
    now: WindowFigures
    before: WindowFigures
    history: tuple[WindowFigures, ...]

    def baseline(self, figure: Callable[[WindowFigures], float]) -> Baseline:
        """Return a figure's values in the earlier windows."""
        return Baseline(tuple(figure(window) for window in self.history))

    def moved(self, z: float | None) -> bool | None:
        """Tell whether an exposure left its usual range; None without history."""
        return None if z is None else abs(z) > EXPOSURE_Z


def customer_findings(case: Case) -> list[Finding]:
    """Return what old and new customers did to the metric."""
    if case.metric == "pay_success_rate":
        return []
    findings = [_old_customers(case), _new_customers(case)]
    return [*findings, _new_amount(case)] if case.metric in {"aov", "gmv"} else findings


def _old_customers(case: Case) -> Finding:
    """Judge whether old customers order less (or, for the average, for less)."""
    figure = _aov_of(OLD) if case.metric == "aov" else _orders_of(OLD)
    floor = 0.0 if case.metric == "aov" else math.sqrt(figure(case.now))  # a count varies by its own root at least
    z = case.baseline(figure).z(figure(case.now), floor)
    name = "old_amount" if case.metric == "aov" else "old_customers"
    finding = Finding(name, OLD, "inconclusive", _customer_numbers(case, OLD), z=z)
    return judge(finding, case.moved(z), _rate_effect(case, OLD), case.change)


def _new_customers(case: Case) -> Finding:
    """Judge whether the part of new customers moved the metric."""
    base = RATIOS.get(case.metric, ("", ""))[0] or "paid_orders"

    def share(window: WindowFigures) -> float:
        return window.of(NEW, base) / window.total(base) if window.total(base) else 0.0

    floor = binomial_error(share(case.now), case.now.total(base))
    z = case.baseline(share).z(share(case.now), floor)
    numbers = _customer_numbers(case, NEW) | {"share_before": share(case.before), "share_now": share(case.now)}
    name = "new_orders" if case.metric in SUMS else "new_customers"
    finding = Finding(name, NEW, "inconclusive", numbers, z=z)
    return judge(finding, case.moved(z), _mix_effect(case), case.change)


def _new_amount(case: Case) -> Finding:
    """Judge whether new customers spend another amount per order."""
    aov = _aov_of(NEW)
    z = case.baseline(aov).z(aov(case.now))
    effect = _rate_effect(case, NEW)
    if case.metric == "gmv":
        orders = case.now.of(NEW, "paid_orders")
        error = case.baseline(aov).error() * math.sqrt(2) if case.baseline(aov).enough else math.inf
        effect = Effect(orders * (aov(case.now) - aov(case.before)), orders * error)
    finding = Finding("new_amount", NEW, "inconclusive", _customer_numbers(case, NEW), z=z)
    return judge(finding, case.moved(z), effect, case.change)


async def payment_findings(case: Case, reader: FigureReader) -> list[Finding]:
    """Return the stores whose payments fail beyond their own history, or that none does."""
    judged = [(_payment_z(case, store), store) for store in reader.scope.stores]
    known = sorted(((z, store) for z, store in judged if z is not None), key=lambda pair: -pair[0])
    if not known:
        return [Finding("payment_failures", "", "inconclusive")]
    faulty = [(z, store) for z, store in known if z > PAYMENT_Z][:STORES_REPORTED]
    if not faulty:
        z, store = known[0]
        return [Finding("payment_failures", store.name, "refuted", _payment_numbers(case, store), z=z)]
    return [await _payment(case, reader, store, z) for z, store in faulty]


async def _payment(case: Case, reader: FigureReader, store: StoreRef, z: float) -> Finding:
    """Judge one store: what the metric would be had its failures stayed as usual."""
    numbers = _payment_numbers(case, store)
    attempts, failed = numbers["attempts"], numbers["failed"]
    excess = failed - numbers["usual_failure"] * attempts
    restored = min(1.0, excess / failed) if failed else 0.0
    without = await _metric_with(case, reader, store, restored, excess)
    effect = case.change.now - without
    relative = binomial_error(failed / attempts, attempts) * attempts / excess if excess else math.inf
    finding = Finding("payment_failures", store.name, "inconclusive", numbers | {"excess": excess}, z=z, fault=True)
    return judge(finding, True, Effect(effect, abs(effect) * relative), case.change)


async def _metric_with(case: Case, reader: FigureReader, store: StoreRef, restored: float, excess: float) -> float:
    """Return the metric with each failure of the store made good with that probability."""
    now, period = case.now, case.now.period
    if case.metric == "pay_success_rate":
        return (now.total("paid_orders") + excess) / now.total("attempts")
    if case.metric == "repeat_rate":
        counts = await reader.lost_by_member(period, store.id)
        active = thinned(counts, restored, 1)
        return thinned(counts, restored, 2) / active if active else 0.0
    orders, amount = await reader.lost(period, store.id)
    gmv = now.total("paid_amount") + restored * amount
    count = now.total("paid_orders") + restored * orders
    return {"gmv": gmv, "order_count": count, "aov": gmv / count if count else 0.0}[case.metric]


async def coupon_findings(case: Case, reader: FigureReader) -> list[Finding]:
    """Return whether coupons ran out, where that could bear on the metric."""
    return [await _coupons(case, reader)] if case.metric in {"repeat_rate", "gmv", "order_count"} else []


async def _coupons(case: Case, reader: FigureReader) -> Finding:
    """Judge whether fewer active members held a coupon, by the repeat rates of those who did and did not."""
    now, before = await reader.holders(case.now.period), await reader.holders(case.before.period)
    earlier = [before, *[await reader.holders(window.period) for window in case.history[1:]]]
    numbers = {
        "expired_now": float(await reader.expired_unused(case.now.period)),
        "expired_before": float(await reader.expired_unused(case.before.period)),
        "share_now": now.share,
        "share_before": before.share,
    }
    if not any(holders.holding.base for holders in [now, *earlier]):
        return Finding("coupon_expiry", "", "untestable", numbers)
    floor = binomial_error(now.share, now.holding.base + now.without.base)
    z = Baseline(tuple(holders.share for holders in earlier)).z(now.share, floor)
    finding = Finding("coupon_expiry", "", "inconclusive", numbers, z=z)
    effect = None
    if case.metric == "repeat_rate":
        gap = before.holding.rate - before.without.rate
        effect = Effect((now.share - before.share) * gap, math.sqrt(2) * floor * abs(gap))
    return judge(finding, case.moved(z), effect, case.change)


def untestable_findings() -> list[Finding]:
    """Return the causes nobody can check here, because there is no data on them."""
    return [Finding(name, title, "untestable") for name, title in UNTESTABLE.items()]


# --------------------------------------------------------------------------------------------------- the figures


def _orders_of(kind: str) -> Callable[[WindowFigures], float]:
    return lambda window: window.of(kind, "paid_orders")


def _aov_of(kind: str) -> Callable[[WindowFigures], float]:
    return lambda window: Group(window.of(kind, "paid_orders"), window.of(kind, "paid_amount")).rate


def _customer_numbers(case: Case, kind: str) -> dict[str, float]:
    """Return orders, members, average amount and repeat rate of one kind of customer, before and now."""
    numbers: dict[str, float] = {}
    for when, window in (("before", case.before), ("now", case.now)):
        members = Group(window.of(kind, "active_members"), window.of(kind, "repeat_members"))
        numbers |= {
            f"orders_{when}": window.of(kind, "paid_orders"),
            f"active_{when}": members.base,
            f"repeat_{when}": members.rate,
            f"aov_{when}": _aov_of(kind)(window),
        }
    return numbers


def _parts(case: Case) -> dict[str, Contribution]:
    base, hits = RATIOS[case.metric]
    return kitagawa(case.before.groups(base, hits), case.now.groups(base, hits))


def _rate_effect(case: Case, kind: str) -> Effect:
    """Return what the kind's own behaviour did: its rate effect in a ratio, its difference in a sum."""
    if case.metric in SUMS:
        return _sum_effect(case, kind)
    base, hits = RATIOS[case.metric]
    before, now = case.before.groups(base, hits), case.now.groups(base, hits)
    mean_weight = (weight(kind, before) + weight(kind, now)) / 2
    part = _parts(case).get(kind, Contribution(0.0, 0.0))
    if case.metric == "aov":
        history = case.baseline(_aov_of(kind))
        error = history.error() * math.sqrt(2) if history.enough else math.inf
    else:
        groups = (before.get(kind, Group(0, 0)), now.get(kind, Group(0, 0)))
        error = math.hypot(*(binomial_error(group.rate, group.base) for group in groups))
    return Effect(part.rate, mean_weight * error)


def _mix_effect(case: Case) -> Effect:
    """Return what the changed part of new customers did: the whole mix effect in a ratio, their difference in a sum."""
    if case.metric in SUMS:
        return _sum_effect(case, NEW)
    base, hits = RATIOS[case.metric]
    before, now = case.before.groups(base, hits), case.now.groups(base, hits)
    mix = sum(part.mix for part in _parts(case).values())
    shift = abs(weight(NEW, now) - weight(NEW, before))
    totals = (case.before.total(base), case.now.total(base))
    shares = (weight(NEW, before), weight(NEW, now))
    error = math.hypot(*(binomial_error(share, total) for share, total in zip(shares, totals, strict=True)))
    return Effect(mix, abs(mix) / shift * error if shift else math.inf)


def _sum_effect(case: Case, kind: str) -> Effect:
    def amount(window: WindowFigures) -> float:
        return window.of(kind, SUMS[case.metric])

    history = case.baseline(amount)
    error = history.error() * math.sqrt(2) if history.enough else math.inf
    return Effect(amount(case.now) - amount(case.before), error)


def _failures(window: WindowFigures, store: StoreRef) -> Group:
    sums = window.stores.get(store.name, {})
    attempts = float(sums.get("attempts", 0))
    return Group(attempts, attempts - float(sums.get("paid_orders", 0)))


def _payment_z(case: Case, store: StoreRef) -> float | None:
    """Return how far a store's failures lie above its own history."""
    now = _failures(case.now, store)
    usual = _usual_failure(case, store)
    floor = binomial_error(max(usual, 1 / now.base), now.base) if now.base else 0.0
    return case.baseline(lambda window: _failures(window, store).rate).z(now.rate, floor) if now.base else None


def _usual_failure(case: Case, store: StoreRef) -> float:
    windows = [_failures(window, store) for window in case.history]
    attempts = sum(group.base for group in windows)
    return sum(group.hits for group in windows) / attempts if attempts else 0.0


def _payment_numbers(case: Case, store: StoreRef) -> dict[str, float]:
    now, before = _failures(case.now, store), _failures(case.before, store)
    return {
        "success_before": 1 - before.rate,
        "success_now": 1 - now.rate,
        "attempts": now.base,
        "failed": now.hits,
        "usual_failure": _usual_failure(case, store),
    }
