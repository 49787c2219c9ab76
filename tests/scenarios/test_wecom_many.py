"""One message for many people in one call, and what became of it for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.platforms.base import Batching, RateLimited, Receipt, Refused, SendError, TryLater
from bot.platforms.wecom.platform import WecomPlatform
from handlers.messages import Address, Table
from tests.fakes.table_picture import PlainPictures
from tests.fakes.wecom import DROP, SEND_PATH, UPLOAD_PATH, Clock, FakeWecom

HELLO = {"msgtype": "text", "text": {"content": "早上好"}}
LARGE = Table("各门店", ("门店", "GMV"), tuple((f"{n} 号店", str(n)) for n in range(20)))


def address(user: str) -> Address:
    return Address("wecom", f"user:{user}", user)


THREE = [address(user) for user in ("Boss", "lily", "zhangsan")]


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
        yield WecomPlatform(wecom.settings, http, clock, pictures=PlainPictures())


def reasons(outcomes: dict[str, Receipt | SendError]) -> dict[str, str]:
    return {user: outcome.reason for user, outcome in outcomes.items() if isinstance(outcome, SendError)}


async def test_one_call_reaches_all(platform: WecomPlatform, wecom: FakeWecom) -> None:
    assert isinstance(platform, Batching)
    outcomes = await platform.send_many(THREE, dict(HELLO), key="push:1")
    assert [wecom.screen(user) for user in ("boss", "lily", "zhangsan")] == [[HELLO]] * 3
    assert len(wecom.called(SEND_PATH)) == 1
    assert wecom.calls[-1].body["touser"] == "boss|lily|zhangsan"
    message_id = wecom.shown("lily")[0].message_id
    assert outcomes == {user: Receipt(message_id) for user in ("Boss", "lily", "zhangsan")}


async def test_each_learns_why_they_were_not_reached(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.cloud.people.unlicensed.add("lily")
    outcomes = dict(await platform.send_many([*THREE, address("Nobody")], dict(HELLO)))
    assert reasons(outcomes) == {"lily": "收件人没有企业微信接口许可", "Nobody": "收件人不在应用可见范围"}
    assert isinstance(outcomes["Boss"], Receipt)
    assert (len(wecom.screen("boss")), wecom.screen("lily")) == (1, [])


async def test_a_single_person_without_a_licence_is_refused(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.cloud.people.unlicensed.add("lily")
    with pytest.raises(Refused, match="接口许可"):
        await platform.send(address("lily"), dict(HELLO))


@pytest.mark.parametrize(("code", "kind"), [(-1, TryLater), (45009, RateLimited), (60020, Refused), (81013, Refused)])
async def test_a_refused_call_counts_for_each(
    platform: WecomPlatform, wecom: FakeWecom, code: int, kind: type[SendError]
) -> None:
    wecom.fail[SEND_PATH].append({"errcode": code, "errmsg": "no"})
    outcomes = await platform.send_many(THREE, dict(HELLO))
    assert [type(outcome) for outcome in outcomes.values()] == [kind] * 3


async def test_a_batch_repeated_after_a_lost_answer_reaches_nobody_twice(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    wecom.fail[SEND_PATH].append(DROP)
    await platform.send_many(THREE, dict(HELLO), key="push:1")
    await platform.send_many(THREE, dict(HELLO), key="push:1")
    await platform.send(THREE[0], dict(HELLO), key="push:1")
    assert [len(wecom.screen(user)) for user in ("boss", "lily", "zhangsan")] == [1, 1, 1]


async def test_who_had_the_same_words_before_gets_them_again(platform: WecomPlatform, wecom: FakeWecom) -> None:
    """And only for them the duplicate check is off: it still guards the others."""
    await platform.send(address("lily"), dict(HELLO), key="reply:7")
    await platform.send_many(THREE, dict(HELLO), key="push:1")
    assert [len(wecom.screen(user)) for user in ("boss", "lily", "zhangsan")] == [1, 2, 1]
    checks = {call.body["touser"]: call.body["enable_duplicate_check"] for call in wecom.called(SEND_PATH)[1:]}
    assert checks == {"boss|zhangsan": 1, "lily": 0}


async def test_a_picture_for_many_is_drawn_and_uploaded_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    picture, _ = platform.render(LARGE)
    await platform.send_many(THREE[:2], picture, key="push:1")
    await platform.send_many(THREE[2:], picture, key="push:1")
    assert len(wecom.called(UPLOAD_PATH)) == 1
    assert all(wecom.screen(user)[0]["msgtype"] == "image" for user in ("boss", "lily", "zhangsan"))


async def test_a_picture_that_cannot_be_uploaded_fails_for_each(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.fail[UPLOAD_PATH].append({"errcode": 40009, "errmsg": "invalid image size"})
    outcomes = dict(await platform.send_many(THREE, platform.render(LARGE)[0]))
    assert set(reasons(outcomes).values()) == {"图片大小不对（40009）"}
    assert len(outcomes) == 3


async def test_what_is_too_much_for_a_member_is_dropped_without_a_word(
    platform: WecomPlatform, wecom: FakeWecom, clock: Clock
) -> None:
    """The reason why our own count stands before every send: WeCom says "ok" all the same."""
    for number in range(31):
        await platform.send(address("boss"), {"msgtype": "text", "text": {"content": f"第 {number} 条"}})
    assert len(wecom.screen("boss")) == 30
    assert [one.user_id for one in wecom.cloud.dropped] == ["boss"]
    clock.now += 61
    await platform.send(address("boss"), dict(HELLO))
    assert wecom.screen("boss")[-1] == HELLO


async def test_our_own_count_is_that_of_wecom(platform: WecomPlatform) -> None:
    minute, hour = platform.rates(address("Boss"))
    assert [(rate.count, rate.seconds, rate.shared) for rate in (minute, hour)] == [
        (30, 60, False),
        (1000, 3600, False),
    ]
    assert platform.rates(address("boss")) == (minute, hour)
    assert not {minute.name, hour.name} & {rate.name for rate in platform.rates(address("lily"))}
