"""Seeding: everything of one tenant, written in one transaction, or nothing.

One transaction on either engine means that a seed which dies half-way leaves nothing behind. Rows are made and
sent chunk by chunk, so memory does not grow with the number of orders beyond the members themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

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
from db.named_lock import LockTimeout, named_lock
from db.seed.chain import TENANT_NAME, organisation, schedule_rows, shops_of, store_rows
from db.seed.coupons import booklet, unused_rows
from db.seed.errors import SeedError, TenantExists
from db.seed.figures import CheckFigures, figures_of
from db.seed.goods import collection
from db.seed.hours import OPEN_UNTIL, open_day, whole_day
from db.seed.ids import Ids, ids_after
from db.seed.orders import CHUNK, Market, chunks, yuan
from db.seed.people import Shopper, empty_crowd, level_for, member_rows, midnight
from db.seed.sales import Sales
from db.seed.size import Size, check_request
from db.seed.story import plan_days

DEFAULT_ORDERS = 40_000
TABLES: tuple[type[Base], ...] = (
    Tenant, Store, Staff, StaffStore, StaffIdentity, Schedule, Product, Member, Coupon, MemberCoupon, Order, OrderItem,
    DailySales,
)  # fmt: skip

LOCK_NAME = "daogou_seed"
LOCK_WAIT_SECONDS = 60

LOCKED = f"另一个进程正在生成演示数据，等了 {LOCK_WAIT_SECONDS} 秒还没有完成，请稍后再试。"
ORGANISED = "门店 {stores} 家、员工 {staff} 人、商品 {products} 款、会员 {members:,} 人已写入"
ORDERED = "订单 {done:,} / {orders:,}"
ADDED_UP = "会员消费、优惠券和日汇总已写入"

Progress = Callable[[str], None]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seed:
    """What is asked for, and the connection whose transaction it goes into."""

    connection: AsyncConnection
    as_of: date
    size: Size
    tenant_id: int
    ids: Ids
    say: Progress

    @property
    def now(self) -> datetime:
        """The instant up to which the open day is filled."""
        hours, minutes = OPEN_UNTIL
        return midnight(self.as_of) + timedelta(hours=hours, minutes=minutes)


async def seed(
    database: Database,
    as_of: date,
    orders: int = DEFAULT_ORDERS,
    tenant_key: str = "demo",
    progress: Progress | None = None,
) -> CheckFigures:
    """Make the demo chain as it stands in the morning of `as_of`, and return its check figures.

    The same rows with the same keys come out every time, on every engine. `orders` counts every row of the table,
    failed payments and the open day included. `TenantExists` when the key is taken, `BadSeedRequest` for a day or
    a number out of range; either way nothing was changed.
    """
    size = check_request(as_of, orders)
    async with _alone(database) as connection:
        tenant_id, ids = await _found(connection, tenant_key, as_of)
        request = Seed(connection, as_of, size, tenant_id, ids, progress or _silence)
        market = await _set_up(request)
        await _trade(request, market)
        await _close_the_books(request, market)
        if database.is_sqlite:
            # Without statistics SQLite reads a period's orders through the members' index, four times as slow.
            await connection.exec_driver_sql("ANALYZE")
        return await figures_of(connection, tenant_id, as_of)


def _silence(_: str) -> None:
    """Say nothing."""


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a transaction, one seed at a time: two would give out the same keys."""
    try:
        async with (
            database.writer.connect() as connection,
            named_lock(connection, LOCK_NAME, LOCK_WAIT_SECONDS),
            connection.begin(),
        ):
            yield connection
    except LockTimeout as error:
        raise SeedError(LOCKED) from error


async def _found(connection: AsyncConnection, key: str, as_of: date) -> tuple[int, Ids]:
    """Insert the tenant and return its key and the keys to use; the unique key decides, whoever else made it."""
    if (await connection.execute(select(Tenant.id).where(Tenant.key == key))).scalar() is not None:
        raise TenantExists(key)
    tenant_id = next((await ids_after(connection, (Tenant,))).of(Tenant))
    row = {"id": tenant_id, "key": key, "name": TENANT_NAME, "demo_as_of": as_of, "created_at": midnight(as_of)}
    try:
        await connection.execute(insert(Tenant), [row])
    except IntegrityError as error:
        raise TenantExists(key) from error
    return tenant_id, await ids_after(connection, TABLES[1:])


async def _set_up(request: Seed) -> Market:
    """Write stores, staff, products, members and coupons, and return what orders are made of."""
    tenant_id, ids, opened = request.tenant_id, request.ids, midnight(request.as_of)
    stores = store_rows(request.size.stores, tenant_id, ids)
    shops, goods, tickets = shops_of(stores), collection(tenant_id, ids), booklet(request.as_of, tenant_id, ids)
    profiles = {False: whole_day(), True: open_day()}
    plan = plan_days(request.as_of, request.size, profiles[True].weight / profiles[False].weight)
    people = empty_crowd(plan)
    members = member_rows(people, plan, profiles, request.size, shops, tenant_id, ids)
    firm = organisation(shops, tenant_id, ids, opened)
    for model, rows in (
        (Store, stores), (Staff, firm.staff), (StaffStore, firm.stores), (StaffIdentity, firm.identities),
        (Schedule, schedule_rows(tenant_id, ids)), (Product, goods.rows), (Member, members), (Coupon, tickets.rows),
    ):  # fmt: skip
        await _insert(request.connection, model, rows)
    request.say(
        ORGANISED.format(
            stores=len(stores), staff=len(firm.staff), products=len(goods.rows), members=request.size.members
        )
    )
    return Market(tenant_id, plan, profiles, shops, goods.articles, people, tickets, ids, Sales())


async def _trade(request: Seed, market: Market) -> None:
    """Write the orders with their lines and the coupons they used."""
    done = 0
    for chunk in chunks(market):
        await _insert(request.connection, Order, chunk.orders)
        await _insert(request.connection, OrderItem, chunk.items)
        await _insert(request.connection, MemberCoupon, chunk.used_coupons)
        done += len(chunk.orders)
        request.say(ORDERED.format(done=done, orders=request.size.orders))


async def _close_the_books(request: Seed, market: Market) -> None:
    """Write what is known only when all orders are made: members' money, coupons left over, the rollup."""
    connection, tenant_id, ids = request.connection, request.tenant_id, request.ids
    await _update_members(connection, _buyers(market))
    unused = unused_rows(market.booklet.tickets, market.people, request.now, tenant_id, ids)
    await _insert(connection, MemberCoupon, unused)
    await _insert(connection, DailySales, market.sales.rows(tenant_id, ids))
    request.say(ADDED_UP)


def _buyers(market: Market) -> Iterator[Shopper]:
    yield from market.people.established
    for visits in market.people.joiners.values():
        yield from (shopper for shopper, _ in visits)


async def _update_members(connection: AsyncConnection, shoppers: Iterator[Shopper]) -> None:
    """Write what each member has spent, the level that gives, and the first paid order."""
    table = Member.__table__
    statement = (
        update(Member)
        .where(table.c.id == bindparam("member"))
        .values(total_spent=bindparam("spent"), level=bindparam("rank"), first_paid_at=bindparam("first"))
    )
    paying = (
        {"member": s.id, "spent": yuan(s.spent), "rank": level_for(s.spent), "first": s.first_paid}
        for s in shoppers
        if s.first_paid
    )
    while some := list(islice(paying, CHUNK)):
        await connection.execute(statement, some)


async def _insert(connection: AsyncConnection, model: type[Base], rows: Iterable[Row]) -> None:
    """Insert rows of one shape, a chunk at a time, so that an iterator is never held whole."""
    source = iter(rows)
    while some := list(islice(source, CHUNK)):
        await connection.execute(insert(model), some)
