"""What the hypotheses are checked against, read window by window through the same compiler and guard as a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from db.engine import Database
from knowledge.catalogue import Catalogue
from knowledge.compiler import UTC_FORMAT, Scope, opening_moment
from knowledge.decomposition import Group
from knowledge.figures import QueryTrace, Sums, figures_of, run_checked
from knowledge.periods import Period
from knowledge.semantic import SemanticQuery

OLD, NEW = "老客", "新客"
BY_CUSTOMER = ("repeat_rate", "gmv", "order_count", "pay_success_rate")
EXPIRY_DAYS = timedelta(days=14)

# A failed attempt the same member paid for later that day in the same store was no lost order.
_LOST_BY_MEMBER = """
    SELECT d.paid AS paid, d.lost AS lost, COUNT(*) AS members
    FROM (
        SELECT o.member_id AS member_id,
            SUM(CASE WHEN o.status = 'paid' THEN 1 ELSE 0 END) AS paid,
            SUM(CASE WHEN o.status = 'failed' AND o.store_id = :store AND NOT EXISTS (
                SELECT 1 FROM orders AS p
                WHERE p.tenant_id = o.tenant_id AND p.member_id = o.member_id AND p.store_id = o.store_id
                    AND p.business_date = o.business_date AND p.status = 'paid' AND p.created_at >= o.created_at
            ) THEN 1 ELSE 0 END) AS lost
        FROM orders AS o
        WHERE o.tenant_id = :tenant AND o.store_id IN (:stores)
            AND o.business_date >= :first AND o.business_date < :after AND NOT o.member_id IS NULL
        GROUP BY o.member_id
    ) AS d
    GROUP BY d.paid, d.lost
"""
_LOST = """
    SELECT COUNT(*) AS orders, SUM(o.pay_amount) AS amount FROM orders AS o
    WHERE o.tenant_id = :tenant AND o.store_id IN (:stores) AND o.store_id = :store
        AND o.business_date >= :first AND o.business_date < :after AND o.status = 'failed'
        AND NOT EXISTS (
            SELECT 1 FROM orders AS p
            WHERE p.tenant_id = o.tenant_id AND p.member_id = o.member_id AND p.store_id = o.store_id
                AND p.business_date = o.business_date AND p.status = 'paid' AND p.created_at >= o.created_at
        )
"""
# Orders and coupons stand one under the other and meet by counting: joined, SQLite reads one list per member.
_HOLDERS = """
    SELECT d.holder AS holder, COUNT(*) AS members, SUM(CASE WHEN d.paid >= 2 THEN 1 ELSE 0 END) AS repeats
    FROM (
        SELECT u.member_id AS member_id, SUM(u.paid) AS paid, MAX(u.holder) AS holder
        FROM (
            SELECT o.member_id AS member_id, 1 AS paid, 0 AS holder FROM orders AS o
            WHERE o.tenant_id = :tenant AND o.store_id IN (:stores)
                AND o.business_date >= :first AND o.business_date < :after
                AND o.status = 'paid' AND NOT o.member_id IS NULL
            UNION ALL
            SELECT c.member_id AS member_id, 0 AS paid, 1 AS holder FROM member_coupons AS c
            WHERE c.tenant_id = :tenant AND c.issued_at < :opening AND c.expires_at >= :opening
                AND (c.used_at IS NULL OR c.used_at >= :opening)
        ) AS u
        GROUP BY u.member_id
    ) AS d
    WHERE d.paid >= 1
    GROUP BY d.holder
"""
_EXPIRED = """
    SELECT COUNT(*) AS coupons FROM member_coupons AS c JOIN members AS m ON m.id = c.member_id
    WHERE c.tenant_id = :tenant AND m.store_id IN (:stores) AND c.status <> 'used'
        AND c.expires_at >= :since AND c.expires_at < :opening
"""


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """One window: sums by kind of customer and by store."""

    period: Period
    customers: Mapping[str, Sums]
    stores: Mapping[str, Sums]

    def of(self, kind: str, measure: str) -> float:
        """Return a sum of one kind of customer."""
        return float(self.customers.get(kind, {}).get(measure, Decimal(0)))

    def total(self, measure: str) -> float:
        """Return a sum over all customers; right for members too, because each is of one kind."""
        return sum(self.of(kind, measure) for kind in self.customers)

    def groups(self, base: str, hits: str) -> dict[str, Group]:
        """Return a ratio's groups by kind of customer."""
        kinds = (kind for kind in self.customers if self.of(kind, base))
        return {kind: Group(self.of(kind, base), self.of(kind, hits)) for kind in kinds}


@dataclass(frozen=True, slots=True)
class Holders:
    """Active members with and without a valid coupon when the window opened, and how many of each came again."""

    holding: Group
    without: Group

    @property
    def share(self) -> float:
        """Which part of the active members held one."""
        total = self.holding.base + self.without.base
        return self.holding.base / total if total else 0.0


@dataclass(frozen=True, slots=True)
class FigureReader:
    """Reads the figures of any window for one scope."""

    database: Database
    catalogue: Catalogue
    scope: Scope
    trace: QueryTrace

    async def window(self, period: Period) -> WindowFigures:
        """Return the sums of one window."""
        query = SemanticQuery(BY_CUSTOMER, period, ("new_old",))
        customers = await figures_of(self.database, self.catalogue, query, self.scope, self.trace)
        by_store = SemanticQuery(("pay_success_rate",), period, ("store",))
        stores = await figures_of(self.database, self.catalogue, by_store, self.scope, self.trace)
        return WindowFigures(
            period,
            {key[0]: sums for key, sums in customers.groups.items()},
            {key[0]: sums for key, sums in stores.groups.items()},
        )

    async def lost_by_member(self, period: Period, store_id: int) -> list[tuple[int, int, int]]:
        """Return (paid orders, failed attempts never made good in the store, members) for each pair that occurs."""
        rows = await self._rows(_LOST_BY_MEMBER, period, store=store_id)
        return [(int(paid), int(lost), int(members)) for paid, lost, members in rows]

    async def lost(self, period: Period, store_id: int) -> tuple[int, float]:
        """Return how many failed attempts of a store were never made good, and their amount."""
        [(orders, amount)] = await self._rows(_LOST, period, store=store_id)
        return int(orders), float(amount or 0)

    async def holders(self, period: Period) -> Holders:
        """Return the active members by whether they held a coupon when the window opened."""
        rows = await self._rows(_HOLDERS, period)
        groups = {int(holder): Group(float(members), float(repeats)) for holder, members, repeats in rows}
        return Holders(groups.get(1, Group(0, 0)), groups.get(0, Group(0, 0)))

    async def expired_unused(self, period: Period) -> int:
        """Return how many coupons ran out unused in the fourteen days before the window."""
        since = (opening_moment(period.first, self._zone) - EXPIRY_DAYS).strftime(UTC_FORMAT)
        [(count,)] = await self._rows(_EXPIRED, period, since=since)
        return int(count)

    @property
    def _zone(self) -> str:
        return self.scope.stores[0].timezone

    async def _rows(self, sql: str, period: Period, **more: str | int) -> list[tuple[Any, ...]]:
        values = {
            "tenant": self.scope.tenant_id,
            "stores": tuple(store.id for store in self.scope.stores),
            "first": period.first.isoformat(),
            "after": period.after.isoformat(),
            "opening": opening_moment(period.first, self._zone).strftime(UTC_FORMAT),
            **more,
        }
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        return await run_checked(self.database, sql, used, self.trace)
