"""The daily rollup, added up while the orders are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from db.models import DailySales
from db.seed.ids import Ids


@dataclass(slots=True)
class Tally:
    """The additive figures of one store, day and channel; amounts in fen, of paid orders only."""

    attempts: int = 0
    orders: int = 0
    units: int = 0
    total: int = 0
    discount: int = 0


class Sales:
    """Every tally by store, day and channel."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[date, int, str], Tally] = {}

    def add(self, store_id: int, day: date, channel: str, paid: bool, units: int, total: int, discount: int) -> None:
        """Count one order; one that was not paid is an attempt and nothing else."""
        tally = self._tallies.setdefault((day, store_id, channel), Tally())
        tally.attempts += 1
        if paid:
            tally.orders += 1
            tally.units += units
            tally.total += total
            tally.discount += discount

    def rows(self, tenant_id: int, ids: Ids) -> Iterator[dict[str, Any]]:
        """Yield the rollup rows by day, store and channel."""
        for (day, store_id, channel), tally in sorted(self._tallies.items()):
            yield {
                "id": next(ids.of(DailySales)),
                "tenant_id": tenant_id,
                "store_id": store_id,
                "business_date": day,
                "channel": channel,
                "attempts": tally.attempts,
                "orders": tally.orders,
                "units": tally.units,
                "total_amount": Decimal(tally.total).scaleb(-2),
                "discount_amount": Decimal(tally.discount).scaleb(-2),
                "pay_amount": Decimal(tally.total - tally.discount).scaleb(-2),
            }
