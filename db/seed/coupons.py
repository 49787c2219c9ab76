"""The coupons of the demo chain, and who holds them.

`value` means: yuan off for full_reduction, 折 for discount (9.00 = 九折, pay 90 %).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from db.models import Coupon, MemberCoupon
from db.seed.ids import Ids
from db.seed.people import Crowd, Shopper, midnight
from db.seed.story import DAYS
from db.seed.streams import stream

OPEN_ENDED = 10_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """A coupon before it has a row: days count back from the seeded day, `ends` is the last day it can be used.

    `left_over` is the share of members who hold one they have not used. Newcomers' coupons go to every newcomer once.
    """

    name: str
    type: str
    threshold: int
    value: str
    starts: int
    ends: int
    valid_days: int
    left_over: float
    newcomers: bool = False


# 老客回馈 and 会员日九折 ran out in the 14 days before the seeded day: what is left of them expired unused.
# 周末加餐券 runs out within days, so that there is always somebody to remind.
OFFERS = (
    Offer("新客立减50元券", "full_reduction", 299, "50", DAYS, -60, 14, 1.00, newcomers=True),
    Offer("秋季上新满800减100元券", "full_reduction", 800, "100", 75, 40, 36, 0.15),
    Offer("老客回馈满600减80元券", "full_reduction", 600, "80", 38, 8, 31, 0.30),
    Offer("会员日九折券", "discount", 200, "9", 18, 4, 15, 0.12),
    Offer("冬季暖心满1000减150元券", "full_reduction", 1000, "150", 12, -20, 33, 0.10),
    Offer("周末加餐满500减60元券", "full_reduction", 500, "60", 6, -3, 10, 0.08),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An offer with its row; amounts in fen. `given_from` and `ends_at` are instants, the second one exclusive."""

    id: int
    offer: Offer
    given_from: datetime
    ends_at: datetime
    threshold: int

    def takes_off(self, total: int) -> int:
        """Return the fen it takes off a basket that reaches the threshold."""
        value = Decimal(self.offer.value)
        return int(total * (10 - value) / 10) if self.offer.type == "discount" else int(value * 100)

    def fits(self, shopper: Shopper, total: int, at: datetime) -> bool:
        """Say whether this member may use it on a basket of `total` fen; newcomers from their second order on."""
        if total < self.threshold:
            return False
        if not self.offer.newcomers:
            return True
        return (
            bool(shopper.first_paid)
            and not shopper.welcomed
            and shopper.joined_at >= self.given_from
            and at < self.expiry(shopper.joined_at)
        )

    def expiry(self, issued_at: datetime) -> datetime:
        """Return when one given at that instant runs out."""
        return min(self.ends_at, issued_at + timedelta(days=self.offer.valid_days))


@dataclass(frozen=True, slots=True)
class Booklet:
    """The coupon rows and the tickets behind them."""

    rows: list[dict[str, Any]]
    tickets: tuple[Ticket, ...]

    def on(self, day: date) -> tuple[Ticket, ...]:
        """Return what can be used on this day."""
        begin = midnight(day)
        return tuple(t for t in self.tickets if t.given_from <= begin < t.ends_at)


def booklet(as_of: date, tenant_id: int, ids: Ids) -> Booklet:
    """Return every coupon of the chain."""
    result = Booklet([], tuple(_ticket(offer, as_of, next(ids.of(Coupon))) for offer in OFFERS))
    for ticket in result.tickets:
        result.rows.append(_coupon_row(ticket, as_of, tenant_id))
    return result


def _ticket(offer: Offer, as_of: date, key: int) -> Ticket:
    starts, ends = as_of - timedelta(days=offer.starts), as_of - timedelta(days=offer.ends - 1)
    return Ticket(key, offer, midnight(starts), midnight(ends), offer.threshold * 100)


def _coupon_row(ticket: Ticket, as_of: date, tenant_id: int) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "tenant_id": tenant_id,
        "campaign_id": None,
        "crm_id": f"demo-{ticket.id:04d}",
        "name": ticket.offer.name,
        "type": ticket.offer.type,
        "threshold": Decimal(ticket.offer.threshold),
        "value": Decimal(ticket.offer.value),
        "max_redemptions": OPEN_ENDED,
        "starts_at": ticket.given_from,
        "ends_at": ticket.ends_at,
        "status": "ended" if ticket.ends_at <= midnight(as_of) else "published",
    }


def used_row(ticket: Ticket, shopper: Shopper, order: dict[str, Any], key: int) -> dict[str, Any]:
    """Return the coupon a member redeemed with this order."""
    at: datetime = order["created_at"]
    shopper.welcomed |= ticket.offer.newcomers
    earliest = max(ticket.given_from, shopper.joined_at, at - timedelta(days=ticket.offer.valid_days - 1))
    return {
        **_held(ticket, shopper, earliest, order["tenant_id"], key),
        "status": "used",
        "used_at": at,
        "order_id": order["id"],
    }


def unused_rows(
    tickets: tuple[Ticket, ...], people: Crowd, now: datetime, tenant_id: int, ids: Ids
) -> Iterator[dict[str, Any]]:
    """Yield what members hold and have not used: `issued` while it is valid, `expired` after."""
    rng = stream("coupons")
    joiners = [shopper for visits in people.joiners.values() for shopper, _ in visits]
    for ticket in tickets:
        holders = joiners if ticket.offer.newcomers else people.established + joiners
        for shopper in holders:
            could_get_one = shopper.joined_at < min(ticket.ends_at, now)
            used_the_only_one = ticket.offer.newcomers and shopper.welcomed
            if rng.random() < ticket.offer.left_over and could_get_one and not used_the_only_one:
                yield _unused_row(ticket, shopper, now, rng, tenant_id, next(ids.of(MemberCoupon)))


def _unused_row(
    ticket: Ticket, shopper: Shopper, now: datetime, rng: random.Random, tenant_id: int, key: int
) -> dict[str, Any]:
    earliest = max(ticket.given_from, shopper.joined_at)
    latest = min(ticket.ends_at, now)
    wait = 0.0 if ticket.offer.newcomers else rng.random() * 0.5
    issued_at = earliest + timedelta(seconds=int((latest - earliest).total_seconds() * wait))
    row = _held(ticket, shopper, issued_at, tenant_id, key)
    return {**row, "status": "expired" if row["expires_at"] <= now else "issued", "used_at": None, "order_id": None}


def _held(ticket: Ticket, shopper: Shopper, issued_at: datetime, tenant_id: int, key: int) -> dict[str, Any]:
    return {
        "id": key,
        "tenant_id": tenant_id,
        "coupon_id": ticket.id,
        "member_id": shopper.id,
        "issued_at": issued_at,
        "expires_at": ticket.expiry(issued_at),
    }
