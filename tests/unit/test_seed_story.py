"""The plan behind the demo chain: how many orders each day gets, and what the last week does to them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.seed import BadSeedRequest
from db.seed.hours import CHANNELS, open_day, whole_day
from db.seed.orders import yuan
from db.seed.size import MAX_ORDERS, check_request, size_for
from db.seed.story import DAYS, DayPlan, allocate, plan_days
from db.seed.streams import stream

AS_OF = date(2026, 11, 21)
OPEN_SHARE = 0.08


def _plan(orders: int = 400_000) -> list[DayPlan]:
    return plan_days(AS_OF, size_for(orders), OPEN_SHARE)


def _weeks_total(plan: list[DayPlan], name: str) -> list[int]:
    """Return the last complete week's total and that of the week before."""
    complete = [getattr(day, name) for day in plan[:DAYS]]
    return [sum(complete[-7:]), sum(complete[-14:-7])]


@given(st.integers(0, 10**7), st.lists(st.floats(0.01, 100), min_size=1, max_size=91))
def test_shares_add_up_and_are_off_by_less_than_one(total: int, weights: list[float]) -> None:
    parts = allocate(total, weights)
    assert sum(parts) == total
    assert all(abs(part - total * w / sum(weights)) < 1.001 for part, w in zip(parts, weights, strict=True))


@pytest.mark.parametrize("orders", [100, 500, 40_000, 1_000_000])
def test_the_days_hold_exactly_the_orders_asked_for(orders: int) -> None:
    plan = _plan(orders)
    assert sum(day.joins + day.returns + day.old + day.guests for day in plan) == orders
    assert all(min(day.joins, day.returns, day.old, day.guests) >= 0 for day in plan)


def test_ninety_complete_days_and_the_open_one() -> None:
    plan = _plan()
    assert (plan[0].day, plan[-1].day) == (date(2026, 8, 23), AS_OF)
    assert [day.is_open for day in plan] == [False] * 90 + [True]
    assert [day.day for day in plan if day.in_story] == [date(2026, 11, n) for n in range(14, 22)]


def test_blocks_are_weeks_counted_back_from_the_day() -> None:
    blocks = [day.block for day in _plan()]
    assert blocks[-1] != blocks[-2]
    assert len(set(blocks[-8:-1])) == 1
    assert len(set(blocks[-15:-8])) == 1
    assert blocks[-8] != blocks[-9]


def test_old_customers_order_thirty_percent_less_in_the_last_week() -> None:
    now, before = _weeks_total(_plan(), "old")
    assert now / before == pytest.approx(0.70, abs=0.02)


def test_sixty_percent_more_people_join_in_the_last_week() -> None:
    now, before = _weeks_total(_plan(), "joins")
    assert now / before == pytest.approx(1.60, abs=0.05)


def test_guests_do_not_take_part_in_the_story() -> None:
    now, before = _weeks_total(_plan(), "guests")
    assert now / before == pytest.approx(1.0, abs=0.03)


def test_weekends_are_busier() -> None:
    saturday, tuesday = ([d.old for d in _plan()[:80] if d.day.weekday() == n] for n in (5, 1))
    assert sum(saturday) > 1.3 * sum(tuesday)


@pytest.mark.parametrize(
    ("orders", "stores", "members"),
    [(100, 10, 3_000), (40_000, 10, 3_000), (400_000, 10, 30_000), (10_000_000, 250, 750_000)],
)
def test_stores_and_members_grow_only_when_they_must(orders: int, stores: int, members: int) -> None:
    size = size_for(orders)
    assert (size.stores, size.members) == (stores, members)
    assert size.orders / size.buyers == pytest.approx(13.7, abs=0.7)


@pytest.mark.parametrize("orders", [-1, 0, 99, MAX_ORDERS + 1])
def test_a_number_out_of_range_is_refused(orders: int) -> None:
    with pytest.raises(BadSeedRequest, match="订单数要在"):
        check_request(AS_OF, orders)


@pytest.mark.parametrize("day", [date.min, date(1999, 12, 31), date.max])
def test_a_day_out_of_range_is_refused(day: date) -> None:
    with pytest.raises(BadSeedRequest, match="日期要在"):
        check_request(day, 40_000)


def test_the_shops_are_shut_at_night_and_the_mini_program_is_not() -> None:
    moments = whole_day().draw(stream("test"), 5_000)
    assert {moment.channel for moment in moments} == set(CHANNELS)
    assert all(10 <= moment.second // 3600 < 22 for moment in moments if moment.channel != "小程序")
    assert any(moment.second < 6 * 3600 for moment in moments if moment.channel == "小程序")


def test_the_open_day_ends_at_half_past_ten() -> None:
    moments = open_day().draw(stream("test"), 5_000)
    assert max(moment.second for moment in moments) < 10 * 3600 + 1800
    assert 0.03 < open_day().weight / whole_day().weight < 0.15


def test_the_same_subject_gives_the_same_numbers_and_another_gives_others() -> None:
    assert stream("orders").random() == stream("orders").random() != stream("people").random()


def test_an_amount_in_fen_is_exact_in_yuan() -> None:
    assert [str(yuan(fen)) for fen in (0, 5, 12_345)] == ["0.00", "0.05", "123.45"]
    assert yuan(10) + yuan(20) == Decimal("0.30")
