"""The organisation: shops at real places, the people who work in them, and the two daily pushes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.models import Schedule, Staff, StaffIdentity, StaffStore, Store
from db.seed.ids import Ids
from db.seed.streams import SEED

ZONE = "Asia/Shanghai"
TENANT_NAME = "锦时演示服饰"
PLATFORMS = ("wecom", "dingtalk")
REGIONAL_STORES = 4  # the regional manager answers for stores 1 to 4
SCHEDULES = (("morning", "08:00"), ("evening", "18:00"))


@dataclass(frozen=True, slots=True)
class Place:
    """A district of a city: six-digit code (GB/T 2260), the point of its centre, and how much a shop there sells."""

    city: str
    name: str
    adcode: str
    lat: float
    lon: float
    trade: float


PLACES = (
    Place("上海", "上海静安", "310106", 31.2279, 121.4475, 1.30),
    Place("北京", "北京朝阳", "110105", 39.9215, 116.4432, 1.22),
    Place("广州", "广州天河", "440106", 23.1248, 113.3616, 1.10),
    Place("深圳", "深圳南山", "440305", 22.5333, 113.9304, 1.08),
    Place("成都", "成都锦江", "510104", 30.5982, 104.1170, 1.00),
    Place("杭州", "杭州西湖", "330106", 30.2595, 120.1302, 0.98),
    Place("南京", "南京玄武", "320102", 32.0485, 118.7978, 0.90),
    Place("武汉", "武汉江汉", "420103", 30.6015, 114.2709, 0.86),
    Place("西安", "西安雁塔", "610113", 34.2141, 108.9446, 0.80),
    Place("重庆", "重庆渝中", "500103", 29.5525, 106.5689, 0.76),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A store as the order generator sees it; `number` is 1 for the first."""

    id: int
    number: int
    trade: float


def store_rows(count: int, tenant_id: int, ids: Ids) -> list[dict[str, Any]]:
    """Return `count` stores; after the tenth the places come round again as second, third… shops."""
    return [_store_row(number, tenant_id, next(ids.of(Store))) for number in range(1, count + 1)]


def _store_row(number: int, tenant_id: int, key: int) -> dict[str, Any]:
    place = PLACES[(number - 1) % len(PLACES)]
    lap = (number - 1) // len(PLACES)
    return {
        "id": key,
        "tenant_id": tenant_id,
        "name": f"{place.name}{lap + 1 if lap else ''}店",
        "city": place.city,
        "adcode": place.adcode,
        "lat": place.lat,
        "lon": place.lon,
        "opens_at": "10:00",
        "closes_at": "22:00",
        "timezone": ZONE,
    }


def shops_of(rows: list[dict[str, Any]]) -> tuple[Shop, ...]:
    """Return the stores with the trade of their places."""
    return tuple(Shop(row["id"], n + 1, PLACES[n % len(PLACES)].trade) for n, row in enumerate(rows))


@dataclass(frozen=True, slots=True)
class Post:
    """One job in the chain: who the platforms call the holder, the role, and the stores that go with it."""

    user_id: str
    role: str
    store_ids: tuple[int, ...]


def posts(shops: tuple[Shop, ...]) -> Iterator[Post]:
    """Yield two clerks and a manager per store, then the regional manager, headquarters and the administrator."""
    for shop in shops:
        yield Post(f"clerk{shop.number}a", "clerk", (shop.id,))
        yield Post(f"clerk{shop.number}b", "clerk", (shop.id,))
        yield Post(f"manager{shop.number}", "manager", (shop.id,))
    yield Post("regional1", "regional", tuple(shop.id for shop in shops[:REGIONAL_STORES]))
    yield Post("hq1", "hq", ())
    yield Post("admin1", "admin", ())


@dataclass(frozen=True, slots=True)
class Organisation:
    """The rows of everyone who works here."""

    staff: list[dict[str, Any]]
    stores: list[dict[str, Any]]
    identities: list[dict[str, Any]]


def organisation(shops: tuple[Shop, ...], tenant_id: int, ids: Ids, opened_at: datetime) -> Organisation:
    """Return the staff with their stores and their names on both platforms."""
    from faker import Faker  # noqa: PLC0415 - half a second that only a seed should pay

    faker = Faker("zh_CN")
    faker.seed_instance(SEED)
    result = Organisation([], [], [])
    for post in posts(shops):
        staff_id = next(ids.of(Staff))
        result.staff.append(
            {
                "id": staff_id,
                "tenant_id": tenant_id,
                "name": faker.last_name() + faker.first_name(),
                "role": post.role,
                "active": True,
            }
        )
        result.stores.extend(_staff_store_rows(post, staff_id, tenant_id, ids))
        result.identities.extend(_identity_rows(post, staff_id, tenant_id, ids, opened_at))
    return result


def _staff_store_rows(post: Post, staff_id: int, tenant_id: int, ids: Ids) -> list[dict[str, Any]]:
    return [
        {"id": next(ids.of(StaffStore)), "tenant_id": tenant_id, "staff_id": staff_id, "store_id": store_id}
        for store_id in post.store_ids
    ]


def _identity_rows(post: Post, staff_id: int, tenant_id: int, ids: Ids, opened_at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": next(ids.of(StaffIdentity)),
            "tenant_id": tenant_id,
            "staff_id": staff_id,
            "platform": platform,
            "user_id": post.user_id,
            "created_at": opened_at,
        }
        for platform in PLATFORMS
    ]


def schedule_rows(tenant_id: int, ids: Ids) -> list[dict[str, Any]]:
    """Return the morning and the evening push, for every store of the chain."""
    return [
        {
            "id": next(ids.of(Schedule)),
            "tenant_id": tenant_id,
            "kind": kind,
            "store_id": None,
            "at": at,
            "grace_minutes": 120,
            "enabled": True,
        }
        for kind, at in SCHEDULES
    ]
