"""Who is who: mobile numbers and encrypted user ids, asked for once and never too often."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from bot.platforms.base import RateLimited, Refused, TryLater
from bot.platforms.wecom.platform import WecomPlatform
from bot.sandbox.wecom_people import Person
from tests.fakes.wecom import MOBILE_PATH, OPEN_ID_PATH, USER_PATH, Clock, FakeWecom


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def platform(wecom: FakeWecom, clock: Clock) -> AsyncIterator[WecomPlatform]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield WecomPlatform(wecom.settings, http, clock)


def fill(wecom: FakeWecom, count: int) -> None:
    """Make the corp larger, so that a few wrong numbers are no fifth of it."""
    wecom.cloud.members |= {f"u{number}" for number in range(count)}


async def test_an_old_app_sees_the_number_and_asks_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.cloud.people.old_app = True
    assert [await platform.mobile_of(user) for user in ("lily", "Lily", "zhangsan")] == ["13800000001"] * 2 + [None]
    assert len(wecom.called(USER_PATH)) == 2


async def test_a_new_app_sees_the_name_and_no_number(platform: WecomPlatform) -> None:
    assert await platform.mobile_of("lily") is None
    assert (await platform._contacts.member("lily")).name == "李丽"


async def test_a_number_is_asked_for_again_after_some_hours(
    platform: WecomPlatform, wecom: FakeWecom, clock: Clock
) -> None:
    wecom.cloud.people.old_app = True
    await platform.mobile_of("lily")
    wecom.cloud.people.known["lily"] = Person("李丽", "13900000009")
    clock.now += 6 * 3600 + 1
    assert await platform.mobile_of("lily") == "13900000009"


async def test_nobody_of_the_corp_is_a_refusal(platform: WecomPlatform) -> None:
    with pytest.raises(Refused, match="没有这个成员"):
        await platform.mobile_of("nobody")


@pytest.mark.parametrize("written", ["13800000001", "+86 138-0000-0001", "86 13800000001"])
async def test_a_number_leads_to_its_user(platform: WecomPlatform, wecom: FakeWecom, written: str) -> None:
    assert [await platform.user_id_of(written) for _ in "ab"] == ["lily", "lily"]
    assert len(wecom.called(MOBILE_PATH)) == 1


@pytest.mark.parametrize("written", ["", "12345", "abc", "23800000001", "138000000011"])
async def test_what_is_no_mobile_number_is_not_asked_for(
    platform: WecomPlatform, wecom: FakeWecom, written: str
) -> None:
    assert await platform.user_id_of(written) is None
    assert wecom.calls == []


async def test_wrong_numbers_end_before_wecom_closes_the_call(
    platform: WecomPlatform, wecom: FakeWecom, clock: Clock
) -> None:
    fill(wecom, 30)
    for number in (*range(5), *range(5)):
        assert await platform.user_id_of(f"1390000000{number}") is None
    assert len(wecom.called(MOBILE_PATH)) == 5
    with pytest.raises(RateLimited, match="一小时后再试") as caught:
        await platform.user_id_of("13900000006")
    assert caught.value.after == 3600
    assert await platform.user_id_of("13900000001") is None  # known to be nobody's
    clock.now += 3601
    assert await platform.user_id_of("13900000006") is None
    assert len(wecom.called(MOBILE_PATH)) == 6


async def test_a_closed_call_says_so(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.user_id_of("13900000001")  # one of three members is more than a fifth
    with pytest.raises(RateLimited, match="45009"):
        await platform.user_id_of("13800000001")
    assert len(wecom.called(MOBILE_PATH)) == 2


async def test_encrypted_ids_become_plain_and_are_asked_for_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    lily, boss = (wecom.cloud.people.open_id(user) for user in ("lily", "boss"))
    assert await platform.plain_user_ids([lily, "lily", lily]) == {lily: "lily"}
    assert await platform.plain_user_ids([lily, boss, "lily"]) == {lily: "lily", boss: "boss"}
    assert [call.body["open_userid_list"] for call in wecom.called(OPEN_ID_PATH)] == [[lily, "lily"], [boss]]
    assert await platform.plain_user_ids([]) == {}


async def test_a_thousand_ids_fit_a_call(platform: WecomPlatform, wecom: FakeWecom) -> None:
    fill(wecom, 1500)
    wanted = {wecom.cloud.people.open_id(f"u{number}"): f"u{number}" for number in range(1500)}
    assert await platform.plain_user_ids(list(wanted)) == wanted
    assert [len(call.body["open_userid_list"]) for call in wecom.called(OPEN_ID_PATH)] == [1000, 500]


async def test_what_cannot_be_asked_is_an_error_and_remembered_as_nothing(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    for path in (USER_PATH, MOBILE_PATH, OPEN_ID_PATH):
        wecom.fail[path].append({"errcode": -1, "errmsg": "busy"})
    with pytest.raises(TryLater):
        await platform.mobile_of("lily")
    with pytest.raises(TryLater):
        await platform.user_id_of("13800000001")
    with pytest.raises(TryLater):
        await platform.plain_user_ids(["wo1"])
    assert await platform.user_id_of("13800000001") == "lily"


async def test_an_unknown_address_of_ours_is_named(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.cloud.tokens.trusted_ips = {"203.0.113.7"}
    with pytest.raises(Refused, match="可信 IP"):
        await platform.mobile_of("lily")


async def test_no_number_is_logged(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.cloud.people.old_app = True
    with capture_logs() as logs:
        await platform.mobile_of("lily")
        await platform.user_id_of("13800000002")
        await platform.user_id_of("13900000001")
    assert "1380000000" not in repr(logs)
    assert "1390000000" not in repr(logs)
