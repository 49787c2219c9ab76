"""How big a chain a number of orders stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from db.seed.errors import BadSeedRequest

MIN_ORDERS = 100
MAX_ORDERS = 20_000_000
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2100, 12, 31)

MIN_STORES = 10
MIN_MEMBERS = 3_000
ORDERS_PER_STORE = 40_000  # a shop with 440 orders a day is as busy as a shop of this kind gets
MEMBERS_PER_1000_ORDERS = 75
BUYERS_PER_1000_ORDERS = 73  # the rest of the members never bought

BAD_ORDERS = f"订单数要在 {MIN_ORDERS:,} 到 {MAX_ORDERS:,} 之间，现在是 {{}}。"
BAD_DAY = f"日期要在 {FIRST_DAY} 到 {LAST_DAY} 之间，现在是 {{}}。"


@dataclass(frozen=True, slots=True)
class Size:
    """Rows to make.

    Orders per buyer stay the same at every size, because 复购率 hangs on it: above 40,000 orders members grow in
    proportion, below it the 3,000 members stay but only some of them buy. Stores grow above 400,000 orders.
    """

    orders: int
    stores: int
    members: int
    buyers: int


def size_for(orders: int) -> Size:
    """Return the size of a chain with this many orders."""
    if not MIN_ORDERS <= orders <= MAX_ORDERS:
        raise BadSeedRequest(BAD_ORDERS.format(orders))
    return Size(
        orders=orders,
        stores=max(MIN_STORES, orders // ORDERS_PER_STORE),
        members=max(MIN_MEMBERS, orders * MEMBERS_PER_1000_ORDERS // 1000),
        buyers=orders * BUYERS_PER_1000_ORDERS // 1000,
    )


def check_request(as_of: date, orders: int) -> Size:
    """Return the size; `BadSeedRequest` for a number out of range or a day for which no calendar is at hand."""
    if not FIRST_DAY <= as_of <= LAST_DAY:
        raise BadSeedRequest(BAD_DAY.format(as_of))
    return size_for(orders)
