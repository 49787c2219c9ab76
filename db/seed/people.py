"""The members: who they are, when they joined, and when the new ones first came to buy."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from db.models import Member
from db.seed.birthdays import Birthdays
from db.seed.chain import ZONE, Shop
from db.seed.hours import DayProfile, Moment
from db.seed.ids import Ids
from db.seed.size import Size
from db.seed.story import DAYS, DayPlan
from db.seed.streams import SEED, stream

if TYPE_CHECKING:
    from faker import Faker

NOBODY_YET = "普通"
LEVELS = ((6_000_000, "钻石"), (3_000_000, "金卡"), (1_200_000, "银卡"))  # spent in fen, from
FEMALE, MALE = 0.70, 0.28  # the rest told us nothing
DO_NOT_DISTURB = 0.02
ONE_TIME_BUYERS = 0.50
NEW_APPETITE = 0.4  # of those who come back, against members of long standing
TASTES = {
    "female": ("通勤", "法式", "简约", "羊绒", "连衣裙", "大码", "小个子", "真丝", "米色系", "新品优先", "折扣敏感"),
    "male": ("商务", "休闲", "简约", "羊绒", "免烫", "大码", "运动", "深色系", "新品优先", "折扣敏感"),
    "unknown": ("简约", "休闲", "羊绒", "新品优先", "折扣敏感"),
}


@dataclass(slots=True)
class Shopper:
    """A member as the order generator sees it; the last three fields fill up as orders are made.

    `spent` is in fen, `welcomed` says that the coupon for newcomers is used.
    """

    id: int
    shop: Shop
    gender: str
    joined_at: datetime
    appetite: float
    first_paid: datetime | None = None
    spent: int = 0
    welcomed: bool = False


@dataclass(frozen=True, slots=True)
class Joining:
    """When somebody becomes a member; `visit` is the first order for those who join while the data run."""

    at: datetime
    appetite: float
    visit: Moment | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """The members who buy: `established` since before the first day, `joiners` by day with their first visit."""

    established: list[Shopper]
    joiners: dict[date, list[tuple[Shopper, Moment]]]

    def add(self, shopper: Shopper, joining: Joining) -> None:
        """Let a member in; one without appetite stays outside."""
        if joining.visit is not None:
            day = joining.at.astimezone(ZoneInfo(ZONE)).date()
            self.joiners[day].append((shopper, joining.visit))
        elif joining.appetite:
            self.established.append(shopper)


def empty_crowd(plan: list[DayPlan]) -> Crowd:
    """Return a crowd of nobody."""
    return Crowd([], {day.day: [] for day in plan})


def midnight(day: date, zone: str = ZONE) -> datetime:
    """Return the UTC instant at which the day begins in the zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def level_for(spent: int) -> str:
    """Return the member level for this many fen."""
    return next((level for floor, level in LEVELS if spent >= floor), NOBODY_YET)


def member_rows(
    people: Crowd,
    plan: list[DayPlan],
    profiles: dict[bool, DayProfile],
    size: Size,
    shops: tuple[Shop, ...],
    tenant_id: int,
    ids: Ids,
) -> Iterator[dict[str, Any]]:
    """Yield every member in the order they joined, and let those who buy into the crowd.

    The rows of a big chain would not fit in memory; what is kept of a member is a `Shopper`.
    """
    from faker import Faker  # noqa: PLC0415 - half a second that only a seed should pay

    faker = Faker("zh_CN")
    faker.seed_instance(SEED + 1)
    rng, birthdays = stream("people"), Birthdays(plan[DAYS].day)
    trade = list(accumulate(shop.trade for shop in shops))
    for joining in _joinings(plan, profiles, size):
        shop = shops[bisect(trade, rng.random() * trade[-1])]
        gender = _gender(rng)
        shopper = Shopper(next(ids.of(Member)), shop, gender, joining.at, joining.appetite)
        people.add(shopper, joining)
        yield _row(shopper, tenant_id, _name(faker, gender), birthdays.draw(shop.number), rng)


def _joinings(plan: list[DayPlan], profiles: dict[bool, DayProfile], size: Size) -> list[Joining]:
    """Return all joinings by time: members of old, members who only look, and the new ones of each day."""
    rng, start = stream("joining"), midnight(plan[0].day)
    established = size.buyers - sum(day.joins for day in plan)
    result = [Joining(_long_ago(rng, start), _appetite(rng)) for _ in range(established)]
    result += [Joining(_long_ago(rng, start), 0.0) for _ in range(size.members - size.buyers)]
    for day in plan:
        result.extend(_new_members(day, profiles[day.is_open], rng))
    return sorted(result, key=lambda joining: joining.at)


def _long_ago(rng: random.Random, start: datetime) -> datetime:
    return start - timedelta(days=rng.randint(1, 900)) + timedelta(seconds=rng.randint(36_000, 75_600))


def _new_members(day: DayPlan, profile: DayProfile, rng: random.Random) -> Iterator[Joining]:
    """Yield members who join a few minutes before their first order."""
    begin = midnight(day.day)
    for moment in profile.draw(rng, day.joins):
        second = max(0, moment.second - rng.randint(60, 600))
        stays = rng.random() >= ONE_TIME_BUYERS
        yield Joining(begin + timedelta(seconds=second), NEW_APPETITE * _appetite(rng) if stays else 0.03, moment)


def _appetite(rng: random.Random) -> float:
    """Return how often somebody buys compared with others: many now and then, a few all the time."""
    return 0.15 + rng.expovariate(1.0) + rng.expovariate(1.0)


def _gender(rng: random.Random) -> str:
    draw = rng.random()
    return "female" if draw < FEMALE else "male" if draw < FEMALE + MALE else "unknown"


def _name(faker: Faker, gender: str) -> str:
    """Return a full name; Faker's own `name_female` mixes given names of both genders in Chinese."""
    given = {"female": faker.first_name_female, "male": faker.first_name_male}.get(gender, faker.first_name)
    return faker.last_name() + given()


def _row(shopper: Shopper, tenant_id: int, name: str, birthday: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return the member before the first order; money and level follow when all orders are known."""
    return {
        "id": shopper.id,
        "tenant_id": tenant_id,
        "store_id": shopper.shop.id,
        "name": name,
        "gender": shopper.gender,
        **birthday,
        "phone_encrypted": None,
        "level": NOBODY_YET,
        "total_spent": Decimal(0),
        "joined_at": shopper.joined_at,
        "first_paid_at": None,
        "preferences": rng.sample(TASTES[shopper.gender], rng.randint(1, 3)),
        "do_not_disturb": rng.random() < DO_NOT_DISTURB,
    }
