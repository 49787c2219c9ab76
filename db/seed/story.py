"""How many orders each day brings, and what the last week does to them.

The data cover the 90 complete days before the day it is seeded for, and that day itself, which is open: filled
until 10:30. All of them count towards the number of orders asked for, and so do failed payments.

Days are dealt in blocks of seven counted back from the seeded day, so that "the last 7 days" is one block and
"the 7 days before" is another. Inside a block an order is *new* when its member joined in that block, *old* when
the member joined earlier, and a *guest's* when nobody showed a membership.

In the last block (and on the open day, which continues it):
  old customers order 30 % less than usual, 60 % more people join, new customers' baskets are 30 % smaller,
  and in store 3 one payment in five fails.
Every other block is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from db.seed.size import Size
from db.seed.streams import stream

DAYS = 90
BLOCK = 7

OLD_FACTOR = 0.70
JOIN_FACTOR = 1.60
FAILURE_RATE = 0.03
TROUBLED_STORE = 3
TROUBLED_FAILURE_RATE = 0.20

WEEKDAYS = (0.88, 0.86, 0.90, 0.95, 1.10, 1.30, 1.25)
GROWTH_PER_DAY = 0.001
DAY_NOISE = 0.04
GUEST_SHARE = 0.08
JOINER_SHARE = 0.58  # of all buyers; the others were members before the first day
RETURNS_PER_JOINER = 0.09  # orders a day by members who joined earlier in the same block


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What one day brings. `joins` are first orders of new members, `returns` later orders in their first block."""

    day: date
    block: int
    joins: int
    returns: int
    old: int
    guests: int
    in_story: bool
    is_open: bool


def allocate(total: int, weights: list[float]) -> list[int]:
    """Split `total` in proportion to the weights; the parts add up exactly (largest remainder)."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [int(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda n: (parts[n] - exact[n], n))
    for n in order[: total - sum(parts)]:
        parts[n] += 1
    return parts


def plan_days(as_of: date, size: Size, open_share: float) -> list[DayPlan]:
    """Return the 91 days; `open_share` is the part of a day that lies before the open day's last order."""
    trade = _trade(as_of, open_share)
    late = [_in_story(n) for n in range(DAYS + 1)]
    joins = allocate(
        round(size.buyers * JOINER_SHARE), [t * (JOIN_FACTOR if s else 1) for t, s in zip(trade, late, strict=True)]
    )
    returns = _returns(joins)
    guests = allocate(round(size.orders * GUEST_SHARE), trade)
    rest = size.orders - sum(joins) - sum(returns) - sum(guests)
    old = allocate(rest, [t * (OLD_FACTOR if s else 1) for t, s in zip(trade, late, strict=True)])
    return [
        DayPlan(_day(as_of, n), _block(n), joins[n], returns[n], old[n], guests[n], late[n], n == DAYS)
        for n in range(DAYS + 1)
    ]


def _day(as_of: date, n: int) -> date:
    return as_of - timedelta(days=DAYS - n)


def _block(n: int) -> int:
    """Number the blocks upwards; the open day is a block of its own."""
    return -((DAYS - 1 - n) // BLOCK)


def _in_story(n: int) -> bool:
    return n >= DAYS - BLOCK


def _trade(as_of: date, open_share: float) -> list[float]:
    """Return each day's weight: weekday, slow growth and a little weather."""
    rng = stream("days")
    trade = [
        WEEKDAYS[_day(as_of, n).weekday()] * (1 + GROWTH_PER_DAY * n) * (1 + rng.uniform(-DAY_NOISE, DAY_NOISE))
        for n in range(DAYS + 1)
    ]
    trade[DAYS] *= open_share
    return trade


def _returns(joins: list[int]) -> list[int]:
    returns, joined = [], 0
    for n, today in enumerate(joins):
        if n and _block(n) != _block(n - 1):
            joined = 0
        returns.append(round(RETURNS_PER_JOINER * joined))
        joined += today
    return returns
