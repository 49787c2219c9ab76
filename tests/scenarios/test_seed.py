"""The demo chain as it stands in the database: who is in it, and that every row agrees with the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from db.base import Base
from db.engine import Database
from db.models import (
    Coupon,
    DailySales,
    Member,
    MemberCoupon,
    Order,
    OrderItem,
    Product,
    Schedule,
    Staff,
    StaffIdentity,
    StaffStore,
    Store,
    Tenant,
)
from db.seed.people import level_for
from tests.seeded import SEEDED_AS_OF

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 10, 30, tzinfo=SHANGHAI)


async def rows(database: Database, model: type[Base], *where: Any) -> list[Any]:
    """Return the table's rows by key, light enough for a hundred thousand of them."""
    table = model.__table__
    async with database.reader.connect() as connection:
        return list((await connection.execute(select(table).where(*where).order_by(table.c["id"]))).all())


async def test_ten_stores_at_real_places(seeded: Database) -> None:
    stores = await rows(seeded, Store)
    assert [store.id for store in stores] == list(range(1, 11))
    assert (stores[0].name, stores[0].adcode, stores[2].name) == ("上海静安店", "310106", "广州天河店")
    assert len({store.city for store in stores}) == 10
    assert all(store.adcode.isdigit() and len(store.adcode) == 6 for store in stores)
    assert all(20 < store.lat < 46 and 100 < store.lon < 128 for store in stores)


async def test_today_is_pinned_for_the_demo(seeded: Database) -> None:
    [tenant] = await rows(seeded, Tenant)
    assert (tenant.key, tenant.demo_as_of) == ("demo", SEEDED_AS_OF)


async def test_everyone_has_a_post_and_a_name_on_both_platforms(seeded: Database) -> None:
    staff = {person.id: person for person in await rows(seeded, Staff)}
    assert Counter(person.role for person in staff.values()) == {
        "clerk": 20, "manager": 10, "regional": 1, "hq": 1, "admin": 1,
    }  # fmt: skip
    platforms = defaultdict(set)
    for identity in await rows(seeded, StaffIdentity):
        platforms[(identity.user_id, staff[identity.staff_id].role)].add(identity.platform)
    assert set(map(frozenset, platforms.values())) == {frozenset({"wecom", "dingtalk"})}
    for known in (("clerk3a", "clerk"), ("clerk3b", "clerk"), ("manager3", "manager"), ("regional1", "regional")):
        assert known in platforms
    assert {("hq1", "hq"), ("admin1", "admin")} <= set(platforms)


async def test_staff_answer_for_their_stores(seeded: Database) -> None:
    names = {i.staff_id: i.user_id for i in await rows(seeded, StaffIdentity)}
    stores = defaultdict(list)
    for link in await rows(seeded, StaffStore):
        stores[names[link.staff_id]].append(link.store_id)
    assert stores["clerk3b"] == stores["manager3"] == [3]
    assert stores["regional1"] == [1, 2, 3, 4]
    assert not {"hq1", "admin1"} & set(stores)


async def test_two_pushes_a_day_for_the_whole_chain(seeded: Database) -> None:
    schedules = await rows(seeded, Schedule)
    assert [(s.kind, s.at, s.store_id) for s in schedules] == [("morning", "08:00", None), ("evening", "18:00", None)]


async def test_members_are_a_believable_crowd(seeded: Database) -> None:
    members = await rows(seeded, Member)
    assert len(members) == 3_000
    genders = Counter(member.gender for member in members)
    assert genders["female"] > 2 * genders["male"] > 2 * genders["unknown"] > 0
    assert {member.phone_encrypted for member in members} == {None}
    assert 20 < sum(member.do_not_disturb for member in members) < 120
    assert all(1 <= len(member.preferences) <= 3 for member in members)
    assert set(Counter(member.level for member in members)) == {"普通", "银卡", "金卡", "钻石"}
    assert min(Counter(member.store_id for member in members).values()) > 150


async def test_every_store_greets_somebody_today(seeded: Database) -> None:
    today = await rows(
        seeded, Member, Member.birth_calendar == "solar", Member.birth_month == 11, Member.birth_day == 21
    )
    assert {member.store_id for member in today} == set(range(1, 11))
    lunar = await rows(
        seeded, Member, Member.birth_calendar == "lunar", Member.birth_month == 10, Member.birth_day == 13
    )
    assert {3, 6, 9} <= {member.store_id for member in lunar}


async def test_members_joined_in_the_order_of_their_keys_and_some_in_every_week(seeded: Database) -> None:
    joined = [member.joined_at for member in await rows(seeded, Member)]
    assert joined == sorted(joined)
    weeks = Counter((NOW - at).days // 7 for at in joined)
    assert min(weeks[week] for week in range(13)) > 80


async def test_a_members_money_and_first_order_are_those_of_the_paid_orders(seeded: Database) -> None:
    paid = defaultdict(list)
    for order in await rows(seeded, Order, Order.status == "paid", Order.member_id.is_not(None)):
        paid[order.member_id].append(order)
    for member in await rows(seeded, Member):
        orders = paid[member.id]
        assert member.total_spent == sum((order.pay_amount for order in orders), Decimal(0))
        assert member.first_paid_at == min((order.created_at for order in orders), default=None)
        assert member.level == level_for(int(member.total_spent * 100))
        assert member.first_paid_at is None or member.joined_at <= member.first_paid_at


async def test_forty_thousand_orders_over_ninety_days_and_a_morning(seeded: Database) -> None:
    orders = await rows(seeded, Order)
    assert [order.id for order in orders] == list(range(1, 40_001))
    assert [order.created_at for order in orders] == sorted(order.created_at for order in orders)
    days = Counter(order.business_date for order in orders)
    assert len(days) == 91
    assert (min(days), max(days)) == (SEEDED_AS_OF - timedelta(days=90), SEEDED_AS_OF)
    assert orders[-1].created_at <= NOW
    assert 10 < days[SEEDED_AS_OF] < 0.2 * days[SEEDED_AS_OF - timedelta(days=7)]
    assert 0.07 < sum(order.member_id is None for order in orders) / len(orders) < 0.09


async def test_business_date_and_hour_are_the_stores_own(seeded: Database) -> None:
    for order in await rows(seeded, Order):
        local = order.created_at.astimezone(SHANGHAI)
        assert (order.business_date, order.business_hour) == (local.date(), local.hour)
        assert order.channel == "小程序" or 10 <= order.business_hour < 22


async def test_an_order_is_the_sum_of_its_lines(seeded: Database) -> None:
    prices = {product.id: product.price for product in await rows(seeded, Product)}
    lines = defaultdict(list)
    for item in await rows(seeded, OrderItem):
        assert item.price == prices[item.product_id]
        assert item.amount == item.price * item.quantity
        lines[item.order_id].append(item)
    for order in await rows(seeded, Order):
        items = lines[order.id]
        assert 1 <= len(items) <= 5
        assert len({item.product_id for item in items}) == len(items)
        assert order.total_amount == sum(item.amount for item in items)
        assert order.pay_amount == order.total_amount - order.discount_amount > 0


async def test_a_used_coupon_is_the_discount_of_its_paid_order(seeded: Database) -> None:
    coupons = {coupon.id: coupon for coupon in await rows(seeded, Coupon)}
    orders = {order.id: order for order in await rows(seeded, Order, Order.discount_amount > 0)}
    used = await rows(seeded, MemberCoupon, MemberCoupon.status == "used")
    assert len(used) == len({held.order_id for held in used}) > 1_000
    for held in used:
        coupon, order = coupons[held.coupon_id], orders[held.order_id]
        assert (order.member_id, order.status, order.created_at) == (held.member_id, "paid", held.used_at)
        assert held.issued_at <= held.used_at < held.expires_at <= coupon.ends_at
        assert order.total_amount >= coupon.threshold
        if coupon.type == "full_reduction":
            assert order.discount_amount == coupon.value


async def test_unused_coupons_are_valid_or_expired_by_the_morning_of_the_day(seeded: Database) -> None:
    joined = {member.id: member.joined_at for member in await rows(seeded, Member)}
    held = await rows(seeded, MemberCoupon, MemberCoupon.status != "used")
    assert all((coupon.status == "expired") == (coupon.expires_at <= NOW) for coupon in held)
    assert all(joined[coupon.member_id] <= coupon.issued_at <= NOW for coupon in held)
    assert all(coupon.issued_at < coupon.expires_at for coupon in held)
    lately = [c for c in held if NOW - timedelta(days=14) <= c.expires_at <= NOW]
    soon = [c for c in held if NOW < c.expires_at <= NOW + timedelta(days=7)]
    assert len(lately) > 500
    assert len(soon) > 100


async def test_a_member_holds_one_newcomers_coupon(seeded: Database) -> None:
    [newcomers] = await rows(seeded, Coupon, Coupon.name.startswith("新客"))
    holders = Counter(c.member_id for c in await rows(seeded, MemberCoupon, MemberCoupon.coupon_id == newcomers.id))
    assert set(holders.values()) == {1}


async def test_the_rollup_equals_the_orders_exactly(seeded: Database) -> None:
    units = Counter[int]()
    for item in await rows(seeded, OrderItem):
        units[item.order_id] += item.quantity
    expected: dict[tuple[int, date, str], list[Any]] = defaultdict(lambda: [0, 0, 0, *[Decimal(0)] * 3])
    for order in await rows(seeded, Order):
        tally = expected[(order.store_id, order.business_date, order.channel)]
        tally[0] += 1
        if order.status == "paid":
            paid = (1, units[order.id], order.total_amount, order.discount_amount, order.pay_amount)
            tally[1:] = [old + new for old, new in zip(tally[1:], paid, strict=True)]
    rollup = await rows(seeded, DailySales)
    assert {
        (r.store_id, r.business_date, r.channel): [
            r.attempts, r.orders, r.units, r.total_amount, r.discount_amount, r.pay_amount,
        ]
        for r in rollup
    } == expected  # fmt: skip


async def test_the_product_of_the_first_example_is_there(seeded: Database) -> None:
    [coat] = await rows(seeded, Product, Product.sku == "8WZ01CM1")
    assert (coat.name, coat.category, coat.material) == ("羊绒大衣", "大衣", "100%山羊绒")
    assert len(await rows(seeded, Product)) == 60
