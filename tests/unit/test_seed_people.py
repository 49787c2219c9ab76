"""Members, coupons and articles of the demo chain, one rule at a time."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from lunar_python import Lunar

from db.models import Coupon, Product
from db.seed.birthdays import Birthdays, lunar_month_and_day, lunar_months
from db.seed.chain import Shop
from db.seed.coupons import Ticket, booklet
from db.seed.goods import collection
from db.seed.ids import Ids
from db.seed.people import Shopper, level_for, midnight

AS_OF = date(2026, 11, 21)


def _ids() -> Ids:
    return Ids({Product.__tablename__: 0, Coupon.__tablename__: 0})


def _birthdays(as_of: date, count: int = 4_000) -> list[dict[str, Any]]:
    birthdays = Birthdays(as_of)
    return [birthdays.draw(n % 10 + 1) for n in range(count)]


def _ticket(name: str) -> Ticket:
    return next(ticket for ticket in booklet(AS_OF, 1, _ids()).tickets if name in ticket.offer.name)


def _shopper(joined: date = date(2025, 1, 1)) -> Shopper:
    return Shopper(1, Shop(1, 1, 1.0), "female", midnight(joined), 1.0)


@pytest.mark.parametrize("as_of", [AS_OF, date(2028, 2, 29), date(2000, 1, 1), date(2100, 12, 31)])
def test_every_birthday_exists_in_its_calendar(as_of: date) -> None:
    for born in _birthdays(as_of, 400):
        if born["birth_calendar"] == "solar":
            assert date(born["birth_year"] or 2000, born["birth_month"], born["birth_day"])
        else:
            assert 1 <= born["birth_day"] <= 30
            assert Lunar.fromYmd(born["birth_year"] or 2026, born["birth_month"], min(born["birth_day"], 29))


def test_lunar_birthdays_leap_days_and_day_thirty_are_among_them() -> None:
    born = _birthdays(AS_OF)
    lunar = [b for b in born if b["birth_calendar"] == "lunar"]
    assert 0.12 < len(lunar) / len(born) < 0.18
    assert sum(b["birth_day"] == 30 for b in lunar) >= 3
    assert sum((b["birth_month"], b["birth_day"]) == (2, 29) for b in born if b["birth_calendar"] == "solar") >= 5
    assert any(b["birth_year"] is None for b in born)


def test_every_store_has_a_birthday_today_and_one_tomorrow() -> None:
    first_round = _birthdays(AS_OF, 20)
    assert {(b["birth_month"], b["birth_day"]) for b in first_round[:10]} == {(11, 21)}
    assert {(b["birth_month"], b["birth_day"]) for b in first_round[10:]} == {(11, 22)}


def test_the_lunar_date_of_a_known_day() -> None:
    assert lunar_month_and_day(date(2026, 2, 17)) == (1, 1)  # Spring Festival
    assert lunar_month_and_day(date(2026, 9, 25)) == (8, 15)  # Mid-Autumn


def test_a_leap_month_is_folded_into_the_plain_one() -> None:
    months = Counter(month for month, _ in lunar_months(2025))  # the sixth month came twice in 2025
    assert months[6] == 2
    assert set(months) == set(range(1, 13))


@pytest.mark.parametrize(
    ("fen", "level"), [(0, "普通"), (1_199_999, "普通"), (1_200_000, "银卡"), (3_000_000, "金卡"), (6_000_000, "钻石")]
)
def test_the_level_follows_the_money(fen: int, level: str) -> None:
    assert level_for(fen) == level


def test_the_day_begins_at_midnight_in_shanghai() -> None:
    assert midnight(AS_OF).isoformat() == "2026-11-20T16:00:00+00:00"


def test_what_a_coupon_takes_off() -> None:
    assert _ticket("老客回馈").takes_off(60_000) == 8_000
    assert _ticket("九折").takes_off(20_050) == 2_005


def test_a_coupon_needs_its_threshold() -> None:
    ticket = _ticket("老客回馈")
    assert ticket.fits(_shopper(), 60_000, midnight(AS_OF))
    assert not ticket.fits(_shopper(), 59_999, midnight(AS_OF))


def test_the_newcomers_coupon_is_for_a_second_order_in_the_first_fortnight_and_only_once() -> None:
    ticket, shopper = _ticket("新客"), _shopper(AS_OF - timedelta(days=10))
    assert not ticket.fits(shopper, 50_000, midnight(AS_OF))
    shopper.first_paid = midnight(AS_OF - timedelta(days=9))
    assert ticket.fits(shopper, 50_000, midnight(AS_OF))
    assert not ticket.fits(shopper, 50_000, midnight(AS_OF + timedelta(days=4)))
    shopper.welcomed = True
    assert not ticket.fits(shopper, 50_000, midnight(AS_OF))


def test_some_coupons_ran_out_lately_and_some_are_about_to() -> None:
    ends = [(AS_OF - ticket.ends_at.date()).days for ticket in booklet(AS_OF, 1, _ids()).tickets]
    assert any(0 <= days < 14 for days in ends)
    assert any(-7 < days < 0 for days in ends)


def test_sixty_articles_with_the_cashmere_coat_among_them() -> None:
    goods = collection(1, _ids())
    by_sku = {row["sku"]: row for row in goods.rows}
    assert len(by_sku) == len(goods.rows) == 60
    assert by_sku["8WZ01CM1"]["name"] == "羊绒大衣"
    assert all(row["colors"] and row["material"] and row["price"] > 0 for row in goods.rows)


def test_people_mostly_buy_what_was_cut_for_them() -> None:
    coat = next(a for a in collection(1, _ids()).articles if a.line == "W")
    assert coat.pull_for("male") < coat.pull_for("unknown") == coat.pull_for("female")
