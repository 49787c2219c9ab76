"""Every metric by every dimension on offer, on both engines, against a count in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from sqlalchemy import update

from db.engine import Database
from db.models import Order
from handlers.turn import Trace
from knowledge.catalogue import load_catalogue
from knowledge.compiler import Scope
from knowledge.periods import Period
from knowledge.reports import ReportResult, report
from knowledge.semantic import SemanticQuery, filters_of
from knowledge.stores import load_stores
from tests.order_rows import CATEGORIES, STORES, ZONE, PlainChain, PlainOrder, write_chain

CATALOGUE = load_catalogue()
PERIOD = Period(date(2026, 10, 20), date(2026, 11, 10), "期间", shift_days=21)
WEEKDAYS = "一二三四五六日"
Value = Decimal | None


def first_moment_is_before(chain: PlainChain, member: int | None) -> str:
    """Return 老客, 新客 or 非会员 as of the period."""
    if member is None:
        return "非会员"
    first = chain.first_paid.get(member)
    return "老客" if first is not None and first.astimezone(ZONE).date() < PERIOD.first else "新客"


KEYS: dict[str, Callable[[PlainChain, PlainOrder], str]] = {
    "day": lambda _, o: o.day.isoformat(),
    "week": lambda _, o: (o.day - timedelta(days=o.day.weekday())).isoformat(),
    "month": lambda _, o: f"{o.day:%Y-%m}",
    "hour": lambda _, o: f"{o.hour:02d}:00",
    "weekday": lambda _, o: f"周{WEEKDAYS[o.day.weekday()]}",
    "store": lambda _, o: STORES[o.store_id][0],
    "city": lambda _, o: STORES[o.store_id][1],
    "channel": lambda _, o: o.channel,
    "member_level": lambda c, o: c.level(o.member_id) if o.member_id else "非会员",
    "new_old": lambda c, o: first_moment_is_before(c, o.member_id),
}


def divided(top: Decimal | int, below: int, step: str) -> Value:
    return (Decimal(top) / below).quantize(Decimal(step), ROUND_HALF_UP) if below else None


def members_with(orders: Iterable[PlainOrder], at_least: int) -> int:
    counted: dict[int, int] = defaultdict(int)
    for order in orders:
        if order.member_id is not None:
            counted[order.member_id] += 1
    return sum(1 for count in counted.values() if count >= at_least)


def by_hand(metric: str, orders: list[PlainOrder], chain: PlainChain) -> Value:
    """Return the metric of some attempts, the slow and obvious way."""
    paid = [order for order in orders if order.status == "paid"]
    gmv = sum((order.pay for order in paid), Decimal(0))
    units = sum(quantity for order in paid for _, quantity in order.items)
    new = {o.member_id for o in paid if o.member_id and chain.first_paid[o.member_id] == o.moment}
    listed = sum((order.total for order in paid), Decimal(0))
    discount = sum((order.discount for order in paid), Decimal(0))
    values: dict[str, Value] = {
        "gmv": gmv.quantize(Decimal("0.01")),
        "order_count": Decimal(len(paid)),
        "aov": divided(gmv, len(paid), "0.01"),
        "paying_members": Decimal(members_with(paid, 1)),
        "new_members": Decimal(len(new)),
        "repeat_rate": divided(members_with(paid, 2), members_with(paid, 1), "0.0001"),
        "pay_success_rate": divided(len(paid), len(orders), "0.0001"),
        "units": Decimal(units),
        "items_per_order": divided(units, len(paid), "0.0001"),
        "discount_rate": (discount / listed).quantize(Decimal("0.0001"), ROUND_HALF_UP) if listed else None,
    }
    return values[metric]


async def ask(database: Database, query: SemanticQuery, stores: tuple[int, ...] = (1, 2)) -> ReportResult:
    refs = await load_stores(database, 1)
    scope = Scope(1, tuple(ref for ref in refs if ref.id in stores))
    return await report(database, CATALOGUE, query, scope, Trace())


def in_period(chain: PlainChain, stores: tuple[int, ...] = (1, 2)) -> list[PlainOrder]:
    return [o for o in chain.orders if PERIOD.first <= o.day < PERIOD.after and o.store_id in stores]


@pytest.mark.parametrize("metric", sorted(CATALOGUE.metrics))
async def test_a_metric_by_each_dimension(database: Database, metric: str) -> None:
    chain = await write_chain(database)
    orders = in_period(chain)
    for dim in set(CATALOGUE.metrics[metric].allowed_dims) & set(KEYS):
        groups: dict[str, list[PlainOrder]] = defaultdict(list)
        for order in orders:
            groups[KEYS[dim](chain, order)].append(order)
        expected = {key: by_hand(metric, group, chain) for key, group in groups.items()}
        result = await ask(database, SemanticQuery((metric,), PERIOD, (dim,)))
        shown = {row[0]: row[1] for row in result.rows}
        assert {key: value for key, value in shown.items() if value} == {k: v for k, v in expected.items() if v}, dim
        assert result.totals[metric] == by_hand(metric, orders, chain)


async def test_units_by_category_and_product(database: Database) -> None:
    chain = await write_chain(database)
    for dim, place in (("sku", 0), ("category", 1)):
        expected: dict[str, int] = defaultdict(int)
        for order in in_period(chain):
            for product, quantity in order.items if order.status == "paid" else ():
                expected[CATEGORIES[product][place]] += quantity
        result = await ask(database, SemanticQuery(("units",), PERIOD, (dim,)))
        assert {row[0]: row[1] for row in result.rows} == expected


async def test_two_dimensions_with_their_breakdowns(database: Database) -> None:
    chain = await write_chain(database)
    result = await ask(database, SemanticQuery(("gmv", "aov", "repeat_rate"), PERIOD, ("store", "channel")))
    for store, channel, *values in result.rows:
        group = [o for o in in_period(chain) if (STORES[o.store_id][0], o.channel) == (store, channel)]
        assert values == [by_hand(metric, group, chain) for metric in ("gmv", "aov", "repeat_rate")]
    by_store = {str(row[0]): row[1:] for row in result.breakdowns[0].rows}
    for number, (name, _) in STORES.items():
        group = in_period(chain, (number,))
        assert by_store[name] == tuple(by_hand(metric, group, chain) for metric in ("gmv", "aov", "repeat_rate"))


async def test_the_period_before_and_filters(database: Database) -> None:
    chain = await write_chain(database)
    # 12 days, so that the days before lie in the data as well
    period = Period(date(2026, 10, 20), date(2026, 11, 1), "期间", shift_days=12)
    query = SemanticQuery(("gmv",), period, ("store",), filters_of({"channel": ("外卖",)}), compare="previous")
    result = await ask(database, query)
    assert result.columns == ("store", "gmv", "gmv_before", "gmv_change")
    for store, now, before, _ in result.rows:
        for value, first, after in ((now, period.first, period.after), (before, date(2026, 10, 8), period.first)):
            group = [o for o in chain.orders if first <= o.day < after and STORES[o.store_id][0] == store]
            assert value == by_hand("gmv", [o for o in group if o.channel == "外卖"], chain)


async def test_a_manager_sees_nothing_of_another_store(database: Database) -> None:
    """Change everything outside the scope; not one figure may move."""
    chain = await write_chain(database)
    queries = [
        SemanticQuery((metric,), PERIOD, (dim,) if dim else ())
        for metric in CATALOGUE.metrics
        for dim in ("", "store", "new_old")
        if not dim or dim in CATALOGUE.metrics[metric].allowed_dims
    ]
    before = [await ask(database, query, (1,)) for query in queries]
    async with database.write() as session:
        foreign = update(Order).where(Order.store_id != 1).values(pay_amount=Order.pay_amount * 100, status="paid")
        await session.execute(foreign)
    after = [await ask(database, query, (1,)) for query in queries]
    assert [result.rows for result in before] == [result.rows for result in after]
    gmv = by_hand("gmv", in_period(chain, (1,)), chain)
    assert before[0].totals[queries[0].metrics[0]] == gmv


async def test_a_store_without_orders_stands_there_with_zero(database: Database) -> None:
    await write_chain(database)
    async with database.write() as session:
        await session.execute(update(Order).where(Order.store_id == 2).values(business_date=date(2026, 1, 1)))
    result = await ask(database, SemanticQuery(("gmv", "aov"), PERIOD, ("store",)))
    assert result.rows[-1] == ("杭州一店", Decimal("0.00"), None)


async def test_money_in_json_has_no_float_noise(database: Database) -> None:
    await write_chain(database)
    result = await ask(database, SemanticQuery(("gmv", "order_count"), PERIOD, ("day",)))
    rows = result.as_json(CATALOGUE)["rows"]
    assert all(len(str(gmv).partition(".")[2]) <= 2 and isinstance(count, int) for _, gmv, count in rows)
