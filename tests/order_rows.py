"""A few hundred orders of a two-store chain, written to a database and kept as plain values to count by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from db.engine import Database
from db.models import Member, Order, OrderItem, Product, Store, Tenant
from tests.rows import NOW, small_chain

ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY = date(2026, 10, 1)
DAYS = 52  # to 2026-11-21, which is open
STORES = {1: ("上海一店", "上海"), 2: ("杭州一店", "杭州")}
CATEGORIES = {1: ("大衣", "外套"), 2: ("衬衫", "上装"), 3: ("西裤", "下装")}
LEVELS = ("普通", "金卡")
CHANNELS = ("门店", "小程序", "外卖")
MEMBERS = 40
ORDERS = 600
STRANGER_STORE = 9


@dataclass(frozen=True, slots=True)
class PlainOrder:
    """One payment attempt with everything a report may ask of it."""

    id: int
    store_id: int
    member_id: int | None
    channel: str
    status: str
    total: Decimal
    discount: Decimal
    pay: Decimal
    moment: datetime
    items: tuple[tuple[int, int], ...]  # product, quantity

    @property
    def day(self) -> date:
        """The store's day."""
        return self.moment.astimezone(ZONE).date()

    @property
    def hour(self) -> int:
        """The store's hour."""
        return self.moment.astimezone(ZONE).hour


@dataclass(frozen=True, slots=True)
class PlainChain:
    """What was written: the orders of tenant 1 and when each member first paid."""

    orders: tuple[PlainOrder, ...]
    first_paid: dict[int, datetime]

    @staticmethod
    def level(member_id: int) -> str:
        """The member's level."""
        return LEVELS[member_id % len(LEVELS)]


def made_up_orders(seed: int = 7, count: int = ORDERS) -> tuple[PlainOrder, ...]:
    """Return orders at all hours, some without a member, some failed; the same for the same seed."""
    chance = random.Random(seed)
    return tuple(_order(chance, number) for number in range(1, count + 1))


def _order(chance: random.Random, number: int) -> PlainOrder:
    second = chance.randrange(DAYS * 86_400)
    local = datetime.combine(FIRST_DAY, datetime.min.time(), ZONE) + timedelta(seconds=second)
    total = Decimal(chance.randrange(1000, 200_000)) / 100
    discount = (total * chance.choice((0, 0, 1, 2)) / 10).quantize(Decimal("0.01"))
    return PlainOrder(
        id=number,
        store_id=chance.choice((1, 1, 2)),
        member_id=chance.choice((None, *range(1, MEMBERS + 1), *range(1, MEMBERS + 1))),
        channel=chance.choice(CHANNELS),
        status="failed" if chance.random() < 0.1 else "paid",
        total=total,
        discount=discount,
        pay=total - discount,
        moment=local.astimezone(UTC),
        items=tuple((chance.randint(1, 3), chance.randint(1, 4)) for _ in range(chance.randint(1, 3))),
    )


async def write_chain(database: Database, seed: int = 7) -> PlainChain:
    """Write the chain, and a second tenant whose orders must never be counted."""
    await small_chain(database)
    orders = made_up_orders(seed)
    first_paid = first_payments(orders)
    await _write_people_and_goods(database, first_paid)
    async with database.write() as session:
        for order in orders:
            session.add(_order_row(order, 1))
        session.add_all(_order_row(_moved(order), 2) for order in made_up_orders(seed + 1, 30))
        await session.flush()
        session.add_all(
            OrderItem(tenant_id=1, order_id=order.id, product_id=product, quantity=quantity, price=1, amount=quantity)
            for order in orders
            for product, quantity in order.items
        )
    return PlainChain(orders, first_paid)


def first_payments(orders: tuple[PlainOrder, ...]) -> dict[int, datetime]:
    """Return when each member first paid; every fifth was a customer long before."""
    first: dict[int, datetime] = {}
    for order in sorted(orders, key=lambda order: order.moment):
        if order.status == "paid" and order.member_id is not None:
            first.setdefault(order.member_id, order.moment)
    return {member: datetime(2026, 5, 1, tzinfo=UTC) if member % 5 == 0 else at for member, at in first.items()}


async def _write_people_and_goods(database: Database, first_paid: dict[int, datetime]) -> None:
    async with database.write() as session:
        session.add(Tenant(id=2, key="other", name="别家", created_at=NOW))
        await session.flush()
        session.add(
            Store(id=STRANGER_STORE, tenant_id=2, name="别家店", city="上海", adcode="310106", lat=31.2, lon=121.4)
        )
        session.add_all(_product(number, name, category) for number, (name, category) in CATEGORIES.items())
        await session.flush()
        session.add_all(_member(number, first_paid.get(number)) for number in range(1, MEMBERS + 1))


def _product(number: int, name: str, category: str) -> Product:
    return Product(
        id=number,
        tenant_id=1,
        sku=f"P{number}",
        name=name,
        category=category,
        material="棉",
        price=Decimal(1),
        colors=[],
    )


def _member(number: int, first_paid_at: datetime | None) -> Member:
    return Member(
        id=number,
        tenant_id=1,
        store_id=1 + number % 2,
        name=f"会员{number}",
        gender="female",
        birth_calendar="solar",
        birth_month=1,
        birth_day=1,
        level=PlainChain.level(number),
        total_spent=Decimal(0),
        joined_at=NOW,
        first_paid_at=first_paid_at,
        preferences=[],
    )


def _order_row(order: PlainOrder, tenant_id: int) -> Order:
    return Order(
        id=order.id,
        tenant_id=tenant_id,
        store_id=order.store_id,
        member_id=order.member_id,
        channel=order.channel,
        status=order.status,
        total_amount=order.total,
        discount_amount=order.discount,
        pay_amount=order.pay,
        created_at=order.moment,
        business_date=order.day,
        business_hour=order.hour,
    )


def _moved(order: PlainOrder) -> PlainOrder:
    """Return the order in the other tenant's store."""
    return PlainOrder(
        order.id + 100_000,
        STRANGER_STORE,
        None,
        order.channel,
        order.status,
        order.total,
        order.discount,
        order.pay,
        order.moment,
        (),
    )
