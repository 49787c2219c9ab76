"""The check figures of 2026-11-21: exact, the same on both engines, and counted a second time in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from db.engine import Database
from db.models import Member, Order, Store
from db.seed import CheckFigures, check_figures
from db.seed.figures import Payments, Segment, Week, change, percent, ratio
from tests.scenarios.test_seed import rows
from tests.seeded import SEEDED_AS_OF

TENANT = 1
NOBODY = 999

EXPECTED = CheckFigures(
    as_of=date(2026, 11, 21),
    orders=40_000,
    paid_orders=38_721,
    last_week=Week(
        first=date(2026, 11, 14),
        last=date(2026, 11, 20),
        gmv=Decimal("3509921.00"),
        orders=2_437,
        buyers=1_284,
        repeat_buyers=536,
        old=Segment(1_921, Decimal("2806059.00")),
        new=Segment(267, Decimal("276832.00")),
    ),
    week_before=Week(
        first=date(2026, 11, 7),
        last=date(2026, 11, 13),
        gmv=Decimal("4626047.70"),
        orders=3_181,
        buyers=1_374,
        repeat_buyers=746,
        old=Segment(2_762, Decimal("4009017.70")),
        new=Segment(166, Decimal("221311.00")),
    ),
    payments=(
        Payments(1, "上海静安店", 325, 314),
        Payments(2, "北京朝阳店", 279, 271),
        Payments(3, "广州天河店", 276, 222),
        Payments(4, "深圳南山店", 340, 332),
        Payments(5, "成都锦江店", 268, 261),
        Payments(6, "杭州西湖店", 245, 238),
        Payments(7, "南京玄武店", 243, 234),
        Payments(8, "武汉江汉店", 199, 195),
        Payments(9, "西安雁塔店", 173, 168),
        Payments(10, "重庆渝中店", 208, 202),
    ),
)


@pytest.fixture(params=["seeded", "seeded_mariadb"])
def chain(request: pytest.FixtureRequest) -> Database:
    """The demo chain, once on each engine."""
    database: Database = request.getfixturevalue(request.param)
    return database


async def test_the_figures_are_exactly_these(chain: Database) -> None:
    assert await check_figures(chain, TENANT, SEEDED_AS_OF) == EXPECTED


async def test_plain_python_counts_the_same(chain: Database) -> None:
    orders = await rows(chain, Order)
    first_days = _first_days(orders)
    assert (
        CheckFigures(
            as_of=SEEDED_AS_OF,
            orders=len(orders),
            paid_orders=sum(order.status == "paid" for order in orders),
            last_week=_week(orders, first_days, date(2026, 11, 14)),
            week_before=_week(orders, first_days, date(2026, 11, 7)),
            payments=_payments(orders, {store.id: store.name for store in await rows(chain, Store)}),
        )
        == EXPECTED
    )


async def test_another_tenant_sees_nothing_of_it(chain: Database) -> None:
    figures = await check_figures(chain, NOBODY, SEEDED_AS_OF)
    assert (figures.orders, figures.paid_orders, figures.last_week.orders) == (0, 0, 0)
    assert not figures.payments
    assert figures.last_week.repeat_rate == 0
    assert figures.lines()


async def test_new_is_by_the_first_paid_order_as_the_member_row_says(seeded: Database) -> None:
    first_days = _first_days(await rows(seeded, Order))
    zone = ZoneInfo("Asia/Shanghai")
    for member in await rows(seeded, Member, Member.first_paid_at.is_not(None)):
        assert member.first_paid_at.astimezone(zone).date() == first_days[member.id]


def test_the_planted_story_shows() -> None:
    now, before = EXPECTED.last_week, EXPECTED.week_before
    assert before.repeat_rate - now.repeat_rate > Decimal("0.08")
    assert Decimal("0.65") < Decimal(now.old.orders) / before.old.orders < Decimal("0.75")
    assert Decimal("1.45") < Decimal(now.new.orders) / before.new.orders < Decimal("1.75")
    assert Decimal("0.65") < now.new.aov / before.new.aov < Decimal("0.85")
    rates = {store.store_id: store.success_rate for store in EXPECTED.payments}
    assert rates.pop(3) < Decimal("0.85")
    assert min(rates.values()) > Decimal("0.95")


async def test_the_weeks_before_are_quiet(seeded: Database) -> None:
    orders = await rows(seeded, Order)
    first_days = _first_days(orders)
    weeks = [_week(orders, first_days, date(2026, 11, 7) - timedelta(weeks=n)) for n in range(5)]
    rates = [week.repeat_rate for week in weeks]
    assert max(rates) - min(rates) < Decimal("0.05")
    assert max(w.orders for w in weeks) < 1.1 * min(w.orders for w in weeks)
    assert max(w.new.orders for w in weeks) < 1.25 * min(w.new.orders for w in weeks)


def test_the_lines_say_it_in_chinese() -> None:
    text = "\n".join(EXPECTED.lines())
    for words in (
        "截至 2026-11-21：订单 40,000 笔，其中支付成功 38,721 笔",
        "最近7天（2026-11-14 至 2026-11-20）：GMV 3,509,921.00 元，订单 2,437 笔，客单价 1,440.26 元，复购率 41.7%",
        "复购率：54.3% → 41.7%（-12.5 个百分点）",
        "老客订单：-30.4%，新客订单：+60.8%，新客客单价：-22.2%",
        "  3 广州天河店 80.4%（222/276）",
    ):
        assert words in text


def test_nothing_to_divide_by_is_no_error() -> None:
    assert ratio(Decimal(5), 0) == 0
    assert change(5, 0) == "—"
    assert percent(Decimal("0.3145")) == "31.5%"


def _first_days(orders: list[Any]) -> dict[int, date]:
    result: dict[int, date] = {}
    for order in orders:
        if order.status == "paid" and order.member_id:
            result.setdefault(order.member_id, order.business_date)
    return result


def _week(orders: list[Any], first_days: dict[int, date], first: date) -> Week:
    last = first + timedelta(days=6)
    paid = [order for order in orders if order.status == "paid" and first <= order.business_date <= last]
    per_member = Counter(order.member_id for order in paid if order.member_id)
    old = [order for order in paid if order.member_id and first_days[order.member_id] < first]
    new = [order for order in paid if order.member_id and first_days[order.member_id] >= first]
    return Week(
        first=first,
        last=last,
        gmv=_sum(paid),
        orders=len(paid),
        buyers=len(per_member),
        repeat_buyers=sum(times >= 2 for times in per_member.values()),
        old=Segment(len(old), _sum(old)),
        new=Segment(len(new), _sum(new)),
    )


def _sum(orders: list[Any]) -> Decimal:
    return sum((order.pay_amount for order in orders), Decimal(0))


def _payments(orders: list[Any], names: dict[int, str]) -> tuple[Payments, ...]:
    week = [order for order in orders if date(2026, 11, 14) <= order.business_date <= date(2026, 11, 20)]
    attempts = Counter(order.store_id for order in week)
    paid = Counter(order.store_id for order in week if order.status == "paid")
    return tuple(Payments(key, name, attempts[key], paid[key]) for key, name in sorted(names.items()))
