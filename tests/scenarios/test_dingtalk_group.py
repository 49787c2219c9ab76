"""Custom group robots over real HTTP to the fake DingTalk: signed, once for each key, twenty a minute."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.channels import open_channels
from bot.config import DingtalkGroupSettings, TenantSettings
from bot.logs import QUIET
from bot.platforms.base import CardRef, RateLimited, Refused, TryLater, Unknown
from bot.platforms.dingtalk_group.platform import DingtalkGroupPlatform
from db.engine import Database
from handlers.messages import Address, Article, Button, Card, Chart, File, News, Part, Picture, Table, Text
from tests.fakes.dingtalk import GROUP_ROBOT, FakeDingtalk, Planned, fake_dingtalk
from tests.services import services_of

TOKEN, SECRET = "token-of-the-robot", "SECret-of-the-robot"
GROUP = Address("dingtalk_group", "店长群", "", group=True)
CARD = Card("plan", "早会要点", "今天 3 件事", buttons=(Button("done", "知道了", "task.done"),), link="https://x.cn/1")
PAGE = Article("促销手册", "https://x.cn/1", "怎么说")


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
        fake.cloud.add_group("cidGroup==", "店长群", ("u1", "u2"))
        room = fake.cloud.rooms.group("cidGroup==")
        assert room is not None
        fake.cloud.webhooks.add_robot(TOKEN, SECRET, room)
        yield fake


def settings(dingtalk: FakeDingtalk, token: str = TOKEN, secret: str = SECRET) -> DingtalkGroupSettings:
    return DingtalkGroupSettings.model_validate({"access_token": token, "secret": secret, "base_url": dingtalk.base})


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


@pytest.fixture
def platform(dingtalk: FakeDingtalk, http: httpx.AsyncClient, seconds: Seconds) -> DingtalkGroupPlatform:
    return DingtalkGroupPlatform({"店长群": settings(dingtalk)}, http, seconds)


async def show(platform: DingtalkGroupPlatform, part: Part, key: str = "push:1") -> list[dict[str, Any]]:
    payloads = platform.render(part)
    for number, payload in enumerate(payloads):
        await platform.send(GROUP, payload, key=f"{key}:{number}")
    return payloads


async def test_what_a_robot_says_is_on_every_phone_of_the_group(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform
) -> None:
    await show(platform, Text("早上好"))
    assert [dingtalk.screen(user)[0]["text"] for user in ("u1", "u2")] == ["早上好", "早上好"]


async def test_the_same_delivery_is_shown_once_and_another_again(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform
) -> None:
    for key in ("push:1", "push:1", "push:2"):
        await show(platform, Text("早上好"), key)
    assert len(dingtalk.screen("u1")) == 2


async def test_a_lost_answer_is_repeated_and_shown_once(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform
) -> None:
    dingtalk.plan(GROUP_ROBOT, Planned(200, {}, delay=0.8, after_work=True))
    with pytest.raises(TryLater):
        await show(platform, Text("早上好"))
    await show(platform, Text("早上好"))
    assert len(dingtalk.screen("u1")) == 1
    assert await platform.may_repeat(Text("早上好"), GROUP, "k")


async def test_without_a_key_a_lost_answer_is_unknown(dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform) -> None:
    dingtalk.plan(GROUP_ROBOT, Planned(504, "<html>"))
    with pytest.raises(Unknown):
        await platform.send(GROUP, platform.render(Text("早上好"))[0])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"secret": "SECother"}, "加签"), ({"token": "other"}, "access_token")],
)
async def test_what_is_wrong_with_the_robot_is_said(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, seconds: Seconds, wrong: dict[str, str], reason: str
) -> None:
    platform = DingtalkGroupPlatform({"店长群": settings(dingtalk, **wrong)}, http, seconds)
    with pytest.raises(Refused, match=reason):
        await show(platform, Text("早上好"))


async def test_a_clock_that_is_wrong_by_more_than_an_hour_signs_nothing(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient
) -> None:
    late = Seconds()
    late.now -= 3700
    with pytest.raises(Refused, match="加签"):
        await show(DingtalkGroupPlatform({"店长群": settings(dingtalk)}, http, late), Text("早上好"))


async def test_a_group_that_is_not_in_the_settings_is_refused(platform: DingtalkGroupPlatform) -> None:
    with pytest.raises(Refused, match="没有这个钉钉群：别的群"):
        await platform.send(replace(GROUP, conversation="别的群"), platform.render(Text("早上好"))[0])


async def test_the_twenty_first_message_of_a_minute_silences_the_robot_for_ten(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform, seconds: Seconds
) -> None:
    for number in range(20):
        await show(platform, Text(f"第{number}条"), f"push:{number}")
    for _ in range(2):
        with pytest.raises(RateLimited, match="太快"):
            await show(platform, Text("第21条"), "push:21")
        seconds.now += 61
    seconds.now += 600
    await show(platform, Text("第21条"), "push:21")
    [rate] = platform.rates(GROUP)
    assert (rate.count, rate.seconds) == (20, 60)
    assert TOKEN not in rate.name


async def test_too_long_a_message_is_refused_and_a_long_text_is_never_one(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform
) -> None:
    with pytest.raises(Refused, match="太长"):
        await platform.send(GROUP, {"type": "markdown", "title": "长", "text": "字" * 7000}, key="k")
    await show(platform, Text("字" * 7000))
    assert len(dingtalk.screen("u1")) == 2


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Picture("gmv.png", "", "GMV 走势"), "GMV 走势"),
        (File("排班表.xlsx", ""), "排班表.xlsx"),
        (Table("业绩", ("门店", "GMV"), tuple((f"{n}店", str(n)) for n in range(30))), "- **29店**：GMV 29"),
        (Chart("走势", ("周一", "周二"), (("GMV", (1.0, 2.0)),)), "周一 1，周二 2"),
        (News((PAGE, PAGE)), "[促销手册](https://x.cn/1)"),
        (replace(CARD, link=""), "今天 3 件事"),
    ],
)
async def test_what_a_robot_cannot_carry_is_said_in_words(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform, part: Part, words: str
) -> None:
    await show(platform, part)
    assert words in dingtalk.screen("u1")[0]["text"]


@pytest.mark.parametrize("part", [CARD, News((PAGE,))])
async def test_a_page_opens_from_a_button_or_a_link(
    dingtalk: FakeDingtalk, platform: DingtalkGroupPlatform, part: Part
) -> None:
    await show(platform, part)
    assert dingtalk.screen("u1")[0]["links"][0]["url"] == "https://x.cn/1"
    assert "回复" not in json.dumps(dingtalk.screen("u1"), ensure_ascii=False)  # nobody hears a reply


async def test_nothing_said_can_be_changed(platform: DingtalkGroupPlatform) -> None:
    with pytest.raises(Refused, match="不能更新"):
        await platform.update_card(GROUP, CARD, CardRef("c-1"))
    assert platform.direct(GROUP) is None


async def test_a_tenant_with_groups_has_the_channel(dingtalk: FakeDingtalk, database: Database) -> None:
    tenant = TenantSettings(dingtalk_groups={"店长群": settings(dingtalk)})
    [(key, channel)] = open_channels(tenant, services_of(database)).items()
    assert key == (1, "dingtalk_group")
    await channel.close()


async def test_neither_token_nor_secret_nor_text_is_logged(
    dingtalk: FakeDingtalk,
    platform: DingtalkGroupPlatform,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in QUIET:  # as the program's own set-up does
        caplog.set_level(logging.WARNING, logger=name)
    caplog.set_level(logging.DEBUG)
    dingtalk.plan(GROUP_ROBOT, Planned(200, {"errcode": 310000, "errmsg": f"keywords not in content {TOKEN}"}))
    with pytest.raises(Refused):
        await show(platform, Text("会员电话号码"))
    printed = caplog.text + "".join(capsys.readouterr())
    assert "dingtalk_group.refused" in printed
    for secret in (TOKEN, SECRET, "会员电话号码"):
        assert secret not in printed
