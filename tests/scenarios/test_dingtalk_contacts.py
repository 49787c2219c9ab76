"""The address book over real HTTP: asked once a day for each person, never metered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.platforms.base import Refused, TryLater
from bot.platforms.dingtalk.platform import DingtalkPlatform
from db.engine import Database
from tests.fakes.dingtalk import BY_MOBILE, USER, FakeDingtalk, Planned, fake_dingtalk
from tests.rows import small_chain
from tests.services import services_of


class Seconds:
    def __init__(self) -> None:
        self.now = 1_763_685_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def dingtalk(seconds: Seconds) -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk(clock=seconds) as fake:
        fake.cloud.book.add("manager1", "店长乙", "13800000001")
        fake.cloud.book.add("clerk1", "店员甲")
        yield fake


@pytest.fixture
async def platform(dingtalk: FakeDingtalk, seconds: Seconds) -> AsyncIterator[DingtalkPlatform]:
    async with httpx.AsyncClient(timeout=5) as http:
        yield DingtalkPlatform(dingtalk.settings(), http, seconds)


async def test_a_person_is_found_by_mobile_and_the_other_way_round(platform: DingtalkPlatform) -> None:
    assert await platform.mobile_of("manager1") == "13800000001"
    assert await platform.user_id_of("13800000001") == "manager1"


async def test_the_same_person_is_asked_for_once_a_day(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, seconds: Seconds
) -> None:
    for _ in range(3):
        await platform.mobile_of("manager1")
        await platform.user_id_of("13800000001")
    assert (len(dingtalk.called(USER)), len(dingtalk.called(BY_MOBILE))) == (1, 1)
    seconds.now += 86_401
    await platform.mobile_of("manager1")
    assert len(dingtalk.called(USER)) == 2


async def test_a_person_whose_mobile_is_not_told_is_asked_for_again(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    for _ in range(2):
        assert await platform.mobile_of("clerk1") is None
    assert len(dingtalk.called(USER)) == 2


async def test_nobody_is_there(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    assert await platform.user_id_of("13900000009") is None
    assert await platform.mobile_of("nobody") is None
    dingtalk.plan(BY_MOBILE, Planned(200, {"errcode": 0, "result": None}))
    assert await platform.user_id_of("13800000001") is None


async def test_what_is_no_number_is_refused(platform: DingtalkPlatform) -> None:
    with pytest.raises(Refused, match="手机号不对"):
        await platform.user_id_of("12")


async def test_a_missing_permission_is_named(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    dingtalk.plan(USER, Planned(200, {"errcode": 88, "errmsg": "ding talk error", "sub_code": "60011"}))
    with pytest.raises(Refused, match="通讯录"):
        await platform.mobile_of("manager1")


async def test_a_token_the_old_api_does_not_know_is_renewed_once(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    await platform.check()
    dingtalk.cloud.tokens.clear()
    assert await platform.mobile_of("manager1") == "13800000001"
    dingtalk.plan(USER, *[Planned(200, {"errcode": 40014, "errmsg": "token"})] * 3)
    with pytest.raises(TryLater):
        await platform.mobile_of("clerk1")


async def test_looking_people_up_is_not_metered(dingtalk: FakeDingtalk, database: Database) -> None:
    await small_chain(database)
    services = services_of(database)
    async with httpx.AsyncClient(timeout=5) as http:
        platform = DingtalkPlatform(dingtalk.settings(), http, lambda: 1_763_685_000.0, services)
        await platform.mobile_of("manager1")
    assert not services.usage._counts
