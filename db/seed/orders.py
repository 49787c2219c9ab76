"""The orders with their lines, chunk by chunk, in the order of time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from db.models import MemberCoupon, Order, OrderItem
from db.seed.chain import Shop
from db.seed.coupons import Booklet, Ticket, used_row
from db.seed.goods import Article
from db.seed.hours import DayProfile, Moment
from db.seed.ids import Ids
from db.seed.people import Crowd, Shopper, midnight
from db.seed.sales import Sales
from db.seed.story import FAILURE_RATE, TROUBLED_FAILURE_RATE, TROUBLED_STORE, DayPlan
from db.seed.streams import stream

CHUNK = 5_000

LINES = (1, 2, 3, 4, 5)
USUAL_LINES = (0.14, 0.22, 0.26, 0.22, 0.16)
SMALL_LINES = (0.38, 0.31, 0.19, 0.09, 0.03)  # 30 % fewer lines on average
SECOND_PIECE = 0.06
AWAY_FROM_HOME = 0.03  # orders in a store that is not the member's own
COUPON_USE = 0.11
WELCOME_USE = 0.45  # newcomers who redeem their coupon with a later order
PROMOTION = 0.35
PROMOTION_PERCENT = (5, 8, 10, 12)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at a till: `shopper` is None for a guest, `new` for a member in the block in which they joined."""

    moment: Moment
    shopper: Shopper | None
    new: bool


@dataclass(slots=True)
class Chunk:
    """Rows to insert together."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    used_coupons: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Market:
    """Everything an order is made of."""

    tenant_id: int
    plan: list[DayPlan]
    profiles: dict[bool, DayProfile]
    shops: tuple[Shop, ...]
    articles: tuple[Article, ...]
    people: Crowd
    booklet: Booklet
    ids: Ids
    sales: Sales


class Pool:
    """The old customers, each drawn as often as their appetite says."""

    def __init__(self, shoppers: list[Shopper]) -> None:
        self._shoppers = list(shoppers)
        self._cumulative = list(accumulate(shopper.appetite for shopper in shoppers))

    def add(self, shoppers: list[Shopper]) -> None:
        """Let more people in."""
        start = self._cumulative[-1] if self._cumulative else 0.0
        self._cumulative.extend(accumulate((s.appetite for s in shoppers[1:]), initial=start + shoppers[0].appetite))
        self._shoppers.extend(shoppers)

    def draw(self, rng: random.Random, count: int) -> list[Shopper]:
        """Return `count` customers, the same one perhaps several times."""
        return rng.choices(self._shoppers, cum_weights=self._cumulative, k=count)


def visits_by_day(market: Market) -> Iterator[tuple[DayPlan, list[Visit]]]:
    """Yield each day with everybody who comes, in the order of time."""
    rng, pool, fresh = stream("visits"), Pool(market.people.established), list[Shopper]()
    block = market.plan[0].block
    for day in market.plan:
        if day.block != block:
            if fresh:
                pool.add(fresh)
            block, fresh = day.block, []
        visits = _visits(day, market.profiles[day.is_open], pool, fresh, rng)
        joiners = market.people.joiners[day.day]
        visits += [Visit(moment, shopper, True) for shopper, moment in joiners]
        fresh.extend(shopper for shopper, _ in joiners)
        yield day, sorted(visits, key=lambda visit: visit.moment.second)


def _visits(day: DayPlan, profile: DayProfile, pool: Pool, fresh: list[Shopper], rng: random.Random) -> list[Visit]:
    old = pool.draw(rng, day.old)
    returning = [rng.choice(fresh) for _ in range(day.returns)]
    moments = iter(profile.draw(rng, day.old + day.returns + day.guests))
    visits = [Visit(next(moments), shopper, False) for shopper in old]
    visits += [Visit(next(moments), shopper, True) for shopper in returning]
    return visits + [Visit(moment, None, False) for moment in moments]


def chunks(market: Market) -> Iterator[Chunk]:
    """Yield the rows of all orders, at most `CHUNK` orders at a time."""
    till, chunk = Till(market), Chunk()
    for day, visits in visits_by_day(market):
        till.open(day)
        for visit in visits:
            till.ring_up(visit, chunk)
            if len(chunk.orders) == CHUNK:
                yield chunk
                chunk = Chunk()
    if chunk.orders:
        yield chunk


class Till:
    """Makes an order of a visit and keeps the books: the member's money and the day's sales."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._rng = stream("orders")
        self._order_ids = market.ids.of(Order)
        self._item_ids = market.ids.of(OrderItem)
        self._coupon_ids = market.ids.of(MemberCoupon)
        self._trade = list(accumulate(shop.trade for shop in market.shops))
        self._pull = {
            gender: list(accumulate(article.pull_for(gender) for article in market.articles))
            for gender in ("female", "male", "unknown")
        }

    def open(self, day: DayPlan) -> None:
        """Begin a day."""
        self._day: DayPlan = day
        self._begin: datetime = midnight(day.day)
        self._tickets: tuple[Ticket, ...] = self._market.booklet.on(day.day)

    def ring_up(self, visit: Visit, chunk: Chunk) -> None:
        """Add the visit's order, its lines and the coupon it used to the chunk."""
        order_id, shop = next(self._order_ids), self._shop(visit.shopper)
        items = self._items(order_id, visit)
        total = sum(fen for _, fen in items)
        paid = self._rng.random() >= self._failure_rate(shop)
        ticket = self._ticket(visit, total) if paid else None
        discount = ticket.takes_off(total) if ticket else self._promotion(total)
        order = self._order_row(order_id, shop, visit, paid, total, discount)
        chunk.orders.append(order)
        chunk.items.extend(row for row, _ in items)
        units = sum(row["quantity"] for row, _ in items)
        self._market.sales.add(shop.id, self._day.day, visit.moment.channel, paid, units, total, discount)
        if visit.shopper and paid:
            _credit(visit.shopper, order["created_at"], total - discount)
        if visit.shopper and ticket:
            chunk.used_coupons.append(used_row(ticket, visit.shopper, order, next(self._coupon_ids)))

    def _shop(self, shopper: Shopper | None) -> Shop:
        if shopper and self._rng.random() >= AWAY_FROM_HOME:
            return shopper.shop
        return self._rng.choices(self._market.shops, cum_weights=self._trade)[0]

    def _failure_rate(self, shop: Shop) -> float:
        return TROUBLED_FAILURE_RATE if self._day.in_story and shop.number == TROUBLED_STORE else FAILURE_RATE

    def _items(self, order_id: int, visit: Visit) -> list[tuple[dict[str, Any], int]]:
        """Return the order's lines, different articles, each with its amount in fen."""
        small = visit.new and self._day.in_story
        count = self._rng.choices(LINES, SMALL_LINES if small else USUAL_LINES)[0]
        pull = self._pull[visit.shopper.gender if visit.shopper else "unknown"]
        picked = dict.fromkeys(self._rng.choices(self._market.articles, cum_weights=pull, k=count))
        return [self._item(order_id, article) for article in picked]

    def _item(self, order_id: int, article: Article) -> tuple[dict[str, Any], int]:
        quantity = 2 if self._rng.random() < SECOND_PIECE else 1
        row = {
            "id": next(self._item_ids),
            "tenant_id": self._market.tenant_id,
            "order_id": order_id,
            "product_id": article.id,
            "quantity": quantity,
            "price": yuan(article.price),
            "amount": yuan(article.price * quantity),
        }
        return row, article.price * quantity

    def _ticket(self, visit: Visit, total: int) -> Ticket | None:
        """Return the coupon used, if any."""
        if visit.shopper is None or self._rng.random() >= (WELCOME_USE if visit.new else COUPON_USE):
            return None
        at = self._begin + timedelta(seconds=visit.moment.second)
        usable = [ticket for ticket in self._tickets if ticket.fits(visit.shopper, total, at)]
        return self._rng.choice(usable) if usable else None

    def _promotion(self, total: int) -> int:
        """Return the fen a till promotion takes off, whole yuan; mostly none."""
        if self._rng.random() >= PROMOTION:
            return 0
        return total * self._rng.choice(PROMOTION_PERCENT) // 10_000 * 100

    def _order_row(
        self, order_id: int, shop: Shop, visit: Visit, paid: bool, total: int, discount: int
    ) -> dict[str, Any]:
        return {
            "id": order_id,
            "tenant_id": self._market.tenant_id,
            "store_id": shop.id,
            "member_id": visit.shopper.id if visit.shopper else None,
            "channel": visit.moment.channel,
            "status": "paid" if paid else "failed",
            "total_amount": yuan(total),
            "discount_amount": yuan(discount),
            "pay_amount": yuan(total - discount),
            "created_at": self._begin + timedelta(seconds=visit.moment.second),
            "business_date": self._day.day,
            "business_hour": visit.moment.second // 3600,
        }


def _credit(shopper: Shopper, at: datetime, fen: int) -> None:
    shopper.spent += fen
    if shopper.first_paid is None:
        shopper.first_paid = at


def yuan(fen: int) -> Decimal:
    """Return the amount in yuan, exactly."""
    return Decimal(fen).scaleb(-2)
