"""The check figures: what the planted story must show, counted from the database.

Definitions (the report conventions): a day is the order's `business_date`; the last 7 days are the 7 complete days
before the seeded day. GMV is the sum of `pay_amount` of paid orders, 客单价 is GMV ÷ paid orders. 复购率 is members
with at least 2 paid orders inside the window ÷ members with at least 1. Payment success is paid ÷ attempts. A member
is new in a window when the first paid order ever lies in it or later, otherwise old; orders without a member are
neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, Executable, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.base import CENT
from db.engine import Database
from db.models import Member, Order, Store
from db.seed.people import midnight

WINDOW = 7

PAID: ColumnElement[bool] = Order.status == "paid"


@dataclass(frozen=True, slots=True)
class Segment:
    """Paid orders of one kind of customer."""

    orders: int
    amount: Decimal

    @property
    def aov(self) -> Decimal:
        """客单价, to the cent."""
        return ratio(self.amount, self.orders, CENT)


@dataclass(frozen=True, slots=True)
class Week:
    """Seven complete days."""

    first: date
    last: date
    gmv: Decimal
    orders: int
    buyers: int
    repeat_buyers: int
    old: Segment
    new: Segment

    @property
    def aov(self) -> Decimal:
        """客单价, to the cent."""
        return ratio(self.gmv, self.orders, CENT)

    @property
    def repeat_rate(self) -> Decimal:
        """复购率 as a fraction."""
        return ratio(Decimal(self.repeat_buyers), self.buyers)


@dataclass(frozen=True, slots=True)
class Payments:
    """Payment attempts of one store in the last 7 days."""

    store_id: int
    name: str
    attempts: int
    paid: int

    @property
    def success_rate(self) -> Decimal:
        """支付成功率 as a fraction."""
        return ratio(Decimal(self.paid), self.attempts)


@dataclass(frozen=True, slots=True)
class CheckFigures:
    """What a seeded chain must show: the last 7 days against the 7 before."""

    as_of: date
    orders: int
    paid_orders: int
    last_week: Week
    week_before: Week
    payments: tuple[Payments, ...]

    def lines(self) -> list[str]:
        """Return the figures as a person reads them."""
        this, that = self.last_week, self.week_before
        return [
            f"截至 {self.as_of}：订单 {self.orders:,} 笔，其中支付成功 {self.paid_orders:,} 笔",
            *_week_lines("最近7天", this),
            *_week_lines("再前7天", that),
            f"复购率：{percent(that.repeat_rate)} → {percent(this.repeat_rate)}"
            f"（{(this.repeat_rate - that.repeat_rate) * 100:+.1f} 个百分点）",
            f"老客订单：{change(this.old.orders, that.old.orders)}，"
            f"新客订单：{change(this.new.orders, that.new.orders)}，新客客单价：{change(this.new.aov, that.new.aov)}",
            "最近7天各门店支付成功率：",
            *(f"  {p.store_id} {p.name} {percent(p.success_rate)}（{p.paid:,}/{p.attempts:,}）" for p in self.payments),
        ]


def _week_lines(title: str, week: Week) -> list[str]:
    return [
        f"{title}（{week.first} 至 {week.last}）：GMV {week.gmv:,} 元，订单 {week.orders:,} 笔，"
        f"客单价 {week.aov:,} 元，复购率 {percent(week.repeat_rate)}（{week.repeat_buyers:,}/{week.buyers:,}）",
        f"  老客 {week.old.orders:,} 笔 {week.old.amount:,} 元，新客 {week.new.orders:,} 笔 {week.new.amount:,} 元",
    ]


def ratio(part: Decimal, whole: int, step: Decimal = Decimal("0.000001")) -> Decimal:
    """Return part ÷ whole rounded half up, 0 when there is nothing to divide by."""
    return (part / whole).quantize(step, ROUND_HALF_UP) if whole else Decimal(0)


def percent(fraction: Decimal) -> str:
    """Return 0.31416 as 31.4%."""
    return f"{(fraction * 100).quantize(Decimal('0.1'), ROUND_HALF_UP)}%"


def change(now: Decimal | int, before: Decimal | int) -> str:
    """Return the relative change as +12.3%, or a dash when there was nothing before."""
    return f"{(Decimal(now) / Decimal(before) - 1) * 100:+.1f}%" if before else "—"


async def check_figures(database: Database, tenant_id: int, as_of: date) -> CheckFigures:
    """Count the check figures of a tenant."""
    async with database.reader.connect() as connection:
        return await figures_of(connection, tenant_id, as_of)


async def figures_of(connection: AsyncConnection, tenant_id: int, as_of: date) -> CheckFigures:
    """Count the check figures inside a transaction that is already open."""
    counted = await _one(connection, select(func.count(), _paid_count()).where(Order.tenant_id == tenant_id))
    week = timedelta(days=WINDOW)
    return CheckFigures(
        as_of=as_of,
        orders=counted[0],
        paid_orders=int(counted[1] or 0),
        last_week=await _week(connection, tenant_id, as_of - week),
        week_before=await _week(connection, tenant_id, as_of - 2 * week),
        payments=await _payments(connection, tenant_id, as_of - week),
    )


async def _week(connection: AsyncConnection, tenant_id: int, first: date) -> Week:
    inside = _inside(tenant_id, first)
    gmv, orders = await _one(connection, select(func.sum(Order.pay_amount), func.count()).where(*inside, PAID))
    per_member = (
        select(func.count().label("orders"))
        .where(*inside, PAID, Order.member_id.is_not(None))
        .group_by(Order.member_id)
    ).subquery()
    repeats = func.sum(case((per_member.c.orders >= 2, 1), else_=0))
    buyers, repeat_buyers = await _one(connection, select(func.count(), repeats).select_from(per_member))
    is_new = Member.first_paid_at >= midnight(first)
    return Week(
        first=first,
        last=first + timedelta(days=WINDOW - 1),
        gmv=gmv or Decimal(0),
        orders=orders,
        buyers=buyers,
        repeat_buyers=int(repeat_buyers or 0),
        old=await _segment(connection, inside, ~is_new),
        new=await _segment(connection, inside, is_new),
    )


async def _segment(
    connection: AsyncConnection, inside: tuple[ColumnElement[bool], ...], which: ColumnElement[bool]
) -> Segment:
    query = select(func.count(), func.sum(Order.pay_amount)).join(Member, Member.id == Order.member_id)
    orders, amount = await _one(connection, query.where(*inside, PAID, which))
    return Segment(orders, amount or Decimal(0))


async def _payments(connection: AsyncConnection, tenant_id: int, first: date) -> tuple[Payments, ...]:
    query = (
        select(Store.id, Store.name, func.count(Order.id), _paid_count())
        .outerjoin(Order, and_(Order.store_id == Store.id, *_inside(tenant_id, first)))
        .where(Store.tenant_id == tenant_id)
        .group_by(Store.id, Store.name)
        .order_by(Store.id)
    )
    rows = (await connection.execute(query)).all()
    return tuple(Payments(store_id, name, attempts, int(paid)) for store_id, name, attempts, paid in rows)


def _inside(tenant_id: int, first: date) -> tuple[ColumnElement[bool], ...]:
    last = first + timedelta(days=WINDOW - 1)
    return (Order.tenant_id == tenant_id, Order.business_date >= first, Order.business_date <= last)


def _paid_count() -> ColumnElement[int]:
    """Count paid orders; SUM over integers is DECIMAL on MySQL, so callers turn it into an int."""
    return func.sum(case((PAID, 1), else_=0))


async def _one(connection: AsyncConnection, query: Executable) -> tuple[Any, ...]:
    return tuple((await connection.execute(query)).one())
