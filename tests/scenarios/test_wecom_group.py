"""The group webhooks of a tenant: what a group shows, and what is left to a person."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from bot.channels import open_channels
from bot.config import TenantSettings, WecomGroupSettings
from bot.platforms.base import Batching, CardRef, RateLimited, Receipt, Refused, SendError, TryLater, Unknown
from bot.platforms.wecom_group.platform import WecomGroupPlatform
from db.engine import Database
from handlers.messages import Address, Article, Button, Card, File, News, Option, Part, Picture, Table, Text
from handlers.messages import Choice as Question
from tests.fakes.table_picture import PlainPictures
from tests.fakes.wecom import (
    DROP,
    GROUP_KEY,
    GROUP_PATH,
    GROUP_UPLOAD_PATH,
    HANG_UP,
    Clock,
    FakeWecom,
    services,
)
from tests.rows import small_chain

LEADERS = Address("wecom_group", "店长群", "", group=True)
LINKED = Card("report", "上周经营周报", "GMV **+3%**", link="https://example.invalid/report")
PLAN = Card("plan", "促复购活动", "满 200 减 30", buttons=(Button("launch", "上架", "launch", primary=True),))
WHICH = (Question("q", "哪家？", (Option("a", "一店"),)),)
PNG = PlainPictures().draw_table(Table("", (), ()))
SMALL = Table("各门店", ("门店", "GMV"), (("朝阳|店", "1,200.00"), ("徐汇店", "900.00")))
LARGE = replace(SMALL, rows=tuple((f"{n} 号店", str(n)) for n in range(20)))
HELLO = {"msgtype": "text", "text": {"content": "早上好"}}


def keys(base_url: str, **named: str) -> dict[str, WecomGroupSettings]:
    return {name: WecomGroupSettings.model_validate({"key": key, "base_url": base_url}) for name, key in named.items()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def platform(wecom: FakeWecom) -> AsyncIterator[WecomGroupPlatform]:
    groups = keys(wecom.settings.base_url, 店长群=GROUP_KEY, 旧群="key-that-is-gone")
    async with httpx.AsyncClient(timeout=30) as http:
        yield WecomGroupPlatform(groups, http, pictures=PlainPictures())


async def sent(platform: WecomGroupPlatform, part: Part) -> None:
    for payload in platform.render(part):
        assert await platform.send(LEADERS, payload) == Receipt()


async def failure(platform: WecomGroupPlatform, address: Address = LEADERS) -> SendError:
    with pytest.raises(SendError) as caught:
        await platform.send(address, dict(HELLO))
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("早上好\n- 一\n- 二", "text"),
        ("**早**\n- 一\n- 二", "markdown_v2"),
        ("|门店|GMV|\n|---|---|\n|一店|1|", "markdown_v2"),
        ('<font color="info">好</font>', "markdown"),
    ],
)
async def test_a_text_is_sent_as_what_shows_all_of_it(
    platform: WecomGroupPlatform, wecom: FakeWecom, text: str, kind: str
) -> None:
    await sent(platform, Text(text))
    assert [shown["msgtype"] for shown in wecom.group()] == [kind]


async def test_a_table_is_drawn_by_the_group(platform: WecomGroupPlatform, wecom: FakeWecom) -> None:
    await sent(platform, SMALL)
    assert wecom.group()[0]["markdown_v2"]["content"] == (
        "**各门店**\n\n|门店|GMV|\n|---|---|\n|朝阳｜店|1,200.00|\n|徐汇店|900.00|"
    )


async def test_a_long_table_repeats_its_heading_in_every_message(wecom: FakeWecom) -> None:
    platform = WecomGroupPlatform(keys(wecom.settings.base_url, 店长群=GROUP_KEY))
    rows = tuple((f"门店{n:03}", "128,300.00") for n in range(200))
    pages = [body["markdown_v2"]["content"] for body in platform.render(replace(SMALL, rows=rows))]
    await platform.close()
    assert len(pages) == 2
    assert all("|门店|GMV|\n|---|---|\n" in page for page in pages)
    assert sum(page.count("|门店") for page in pages) == 202


async def test_a_large_table_is_a_picture_and_a_short_text(platform: WecomGroupPlatform, wecom: FakeWecom) -> None:
    await sent(platform, LARGE)
    assert [shown["msgtype"] for shown in wecom.group()] == ["image", "text"]
    assert wecom.group()[0]["image"]["size"] == len(PlainPictures().draw_table(LARGE))


async def test_a_picture_travels_inside_the_message_and_not_into_the_record(
    platform: WecomGroupPlatform, wecom: FakeWecom
) -> None:
    payload = platform.render(Picture("海报.png", base64.b64encode(PNG).decode()))[0]
    await platform.send(LEADERS, payload)
    assert wecom.called(GROUP_PATH)[0].body["image"]["base64"] == base64.b64encode(PNG).decode()
    assert payload == {"msgtype": "image", "image": {"md5": wecom.called(GROUP_PATH)[0].body["image"]["md5"]}}


async def test_a_picture_of_more_than_two_megabytes_is_refused_here(
    platform: WecomGroupPlatform, wecom: FakeWecom
) -> None:
    large = Picture("海报.png", base64.b64encode(PNG + bytes(2 * 2**20)).decode())
    with pytest.raises(Refused, match=r"海报.png 太大（2.0 MB），企业微信最多收 2 MB"):
        await sent(platform, large)
    assert wecom.calls == []


async def test_a_file_is_uploaded_once_and_again_when_it_is_forgotten(
    platform: WecomGroupPlatform, wecom: FakeWecom
) -> None:
    rota = File("排班.xlsx", base64.b64encode(b"not empty").decode())
    await sent(platform, rota)
    wecom.fail[GROUP_PATH].append({"errcode": 40007, "errmsg": "invalid media_id"})
    await sent(platform, rota)
    await sent(platform, rota)
    assert [shown["file"]["size"] for shown in wecom.group()] == [9, 9, 9]
    assert [call.query["type"] for call in wecom.called(GROUP_UPLOAD_PATH)] == ["file", "file"]


async def test_news_and_notices_arrive(platform: WecomGroupPlatform, wecom: FakeWecom) -> None:
    await sent(platform, News((Article("羊绒怎么洗", "https://example.invalid/care"),)))
    await sent(platform, LINKED)
    await sent(platform, replace(LINKED, picture_url="https://example.invalid/p.png"))
    kinds = [shown.get("template_card", {}).get("card_type") for shown in wecom.group()]
    assert kinds == [None, "text_notice", "news_notice"]


async def test_a_notice_too_long_for_a_group_is_preceded_by_all_of_it(
    platform: WecomGroupPlatform, wecom: FakeWecom
) -> None:
    await sent(platform, replace(LINKED, title="长" * 27))
    before, notice = wecom.group()
    assert "长" * 27 in before["markdown_v2"]["content"]
    assert len(notice["template_card"]["main_title"]["title"]) == 26


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (PLAN, "群里不能操作，请打开导购应用发一句话：「上架」"),
        (
            replace(PLAN, choices=(Question("q", "哪家？", (Option("a", "一店"),)),)),
            "群里不能操作，请打开导购应用处理。",
        ),
    ],
)
async def test_a_card_to_be_pressed_says_where(
    platform: WecomGroupPlatform, wecom: FakeWecom, card: Card, words: str
) -> None:
    await sent(platform, card)
    (shown,) = wecom.group()
    assert shown["markdown_v2"]["content"].endswith(words)
    assert "满 200 减 30" in shown["markdown_v2"]["content"]


async def test_a_finished_card_is_text(platform: WecomGroupPlatform, wecom: FakeWecom) -> None:
    await sent(platform, replace(PLAN, buttons=(), state="已上架"))
    assert "已上架" in wecom.group()[0]["markdown_v2"]["content"]


async def test_a_card_wecom_would_refuse_is_refused_here(platform: WecomGroupPlatform) -> None:
    with pytest.raises(Refused, match=r"卡片不合规（card_action.url"):
        platform.render(replace(LINKED, link="javascript:alert(1)"))


async def test_twenty_a_minute_is_the_limit_of_both_sides(
    platform: WecomGroupPlatform, wecom: FakeWecom, clock: Clock
) -> None:
    (rate,) = platform.rates(LEADERS)
    assert (rate.count, rate.seconds) == (20, 60)
    assert GROUP_KEY not in rate.name
    for number in range(20):
        await platform.send(LEADERS, {"msgtype": "text", "text": {"content": f"第 {number} 条"}})
    error = await failure(platform)
    assert (type(error), error.after if isinstance(error, TryLater) else 0) == (RateLimited, 60)
    clock.now += 60
    await platform.send(LEADERS, dict(HELLO))


async def test_two_names_of_one_webhook_share_its_limit(wecom: FakeWecom) -> None:
    platform = WecomGroupPlatform(keys(wecom.settings.base_url, 店长群=GROUP_KEY, 店长=GROUP_KEY, 别的="other"))
    mine, twin, other = (platform.rates(replace(LEADERS, conversation=name)) for name in ("店长群", "店长", "别的"))
    await platform.close()
    assert mine == twin != other


@pytest.mark.parametrize("plan", [DROP, HANG_UP])
async def test_what_went_out_without_an_answer_is_left_to_a_person(
    platform: WecomGroupPlatform, wecom: FakeWecom, plan: str
) -> None:
    wecom.fail[GROUP_PATH].append(plan)
    assert isinstance(await failure(platform), Unknown)
    assert not any([await platform.may_repeat(part, LEADERS, "k") for part in (Text("早"), PLAN)])


async def test_an_answer_that_is_not_wecoms_is_left_to_a_person_too(
    platform: WecomGroupPlatform, wecom: FakeWecom
) -> None:
    wecom.fail[GROUP_PATH].append({"message": "bad gateway"})
    assert isinstance(await failure(platform), Unknown)


async def test_a_server_that_is_not_there_may_be_tried_again(unused_tcp_port: int) -> None:
    platform = WecomGroupPlatform(keys(f"http://127.0.0.1:{unused_tcp_port}", 店长群=GROUP_KEY))
    error = await failure(platform)
    await platform.close()
    assert (type(error), error.reason) == (TryLater, "连不上企业微信")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("没有的群", "没有配置叫「没有的群」的企业微信群"), ("旧群", "群消息推送的地址不对，请检查配置里的 key（93000）")],
)
async def test_a_group_that_is_not_there_is_named(platform: WecomGroupPlatform, name: str, reason: str) -> None:
    error = await failure(platform, replace(LEADERS, conversation=name))
    assert (type(error), error.reason) == (Refused, reason)
    assert platform.rates(replace(LEADERS, conversation="没有的群")) == ()


async def test_nothing_sent_can_be_changed_and_nobody_is_reached_alone(platform: WecomGroupPlatform) -> None:
    with pytest.raises(Refused, match="不能再改"):
        await platform.update_card(LEADERS, PLAN, CardRef("c-1"))
    assert platform.direct(LEADERS) is None
    assert not isinstance(platform, Batching)


async def test_the_key_is_in_no_log_and_no_record(
    platform: WecomGroupPlatform, wecom: FakeWecom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # as the program does
    payload: dict[str, Any] = dict(HELLO)
    wecom.fail[GROUP_PATH] += [{"errcode": -1, "errmsg": "busy"}, HANG_UP, {"errcode": 45009, "errmsg": "no"}, {}]
    with capture_logs() as logs:
        for _ in range(4):
            await failure(platform)
        receipt = await platform.send(LEADERS, payload)
    assert GROUP_KEY not in repr((logs, caplog.text, receipt, payload))


async def test_the_groups_of_a_tenant_are_one_channel_and_share_uploads(
    wecom: FakeWecom, clock: Clock, database: Database
) -> None:
    await small_chain(database)
    tenant = TenantSettings(wecom_groups=keys(wecom.settings.base_url, 店长群=GROUP_KEY))
    rota = File("排班.xlsx", base64.b64encode(b"not empty").decode())
    for _ in range(2):
        channels = open_channels(tenant, services(database, clock))
        platform = channels[1, "wecom_group"]
        await platform.send(LEADERS, platform.render(rota)[0])
        await platform.close()
    assert list(channels) == [(1, "wecom_group")]
    assert len(wecom.called(GROUP_UPLOAD_PATH)) == 1
