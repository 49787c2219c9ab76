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


async def test_a_person_whose_mobile_is_not_shown_is_refused_and_asked_for_again(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="字段权限"):
            await platform.mobile_of("clerk1")
    assert len(dingtalk.called(USER)) == 2


@pytest.mark.parametrize(("mobile", "reason"), [("13900000009", "没有这个人"), ("12", "手机号不对")])
async def test_nobody_has_this_number(platform: DingtalkPlatform, mobile: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await platform.user_id_of(mobile)


async def test_an_unknown_person_is_refused(platform: DingtalkPlatform) -> None:
    with pytest.raises(Refused, match="没有这个人"):
        await platform.mobile_of("nobody")


async def test_an_answer_without_a_result_is_no_person(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    dingtalk.plan(BY_MOBILE, Planned(200, {"errcode": 0, "result": None}))
    with pytest.raises(Refused, match="没有这个人"):
        await platform.user_id_of("13800000001")


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
