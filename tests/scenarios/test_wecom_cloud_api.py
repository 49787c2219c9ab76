"""The pretend WeCom refuses what the real one would: uploads, messages, groups, addresses it does not trust."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from bot.platforms.base import CardRef
from bot.platforms.wecom.platform import WecomPlatform
from bot.sandbox.wecom_presses import NotOnPhone
from handlers.messages import Address, Button, Card, Choice, Option, Press, Table
from tests.fakes.table_picture import PlainPictures
from tests.fakes.wecom import (
    GROUP_KEY,
    GROUP_PATH,
    GROUP_UPLOAD_PATH,
    NOW,
    SEND_PATH,
    TOKEN_PATH,
    UPDATE_PATH,
    UPLOAD_PATH,
    Clock,
    FakeWecom,
)

BOSS = Address("wecom", "user:boss", "boss")
PNG = PlainPictures().draw_table(Table("", (), ()))
MEGABYTE = 2**20
SUBMIT = (Button("submit", "提交", "choose", primary=True),)
SHOP = Choice("shop", "哪家？", (Option("s1", "一店"), Option("s2", "二店")))
DAY = Choice("day", "哪天？", (Option("sat", "周六"), Option("sun", "周日")))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def http(wecom: FakeWecom) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose every call carries a token."""
    async with httpx.AsyncClient(base_url=wecom.settings.base_url, trust_env=False) as client:
        answer = await client.get(TOKEN_PATH, params={"corpid": "ww1", "corpsecret": "secret-of-the-app"})
        client.params = httpx.QueryParams({"access_token": answer.json()["access_token"]})
        yield client


async def upload(http: httpx.AsyncClient, kind: str, name: str, data: bytes, part: str = "media") -> dict[str, Any]:
    return dict((await http.post(UPLOAD_PATH, params={"type": kind}, files={part: (name, data)})).json())


async def send(http: httpx.AsyncClient, kind: str, content: Any) -> dict[str, Any]:
    body = {"touser": "boss", "agentid": 1000002, "msgtype": kind, kind: content}
    return dict((await http.post(SEND_PATH, json=body)).json())


async def post(http: httpx.AsyncClient, kind: str, content: Any, key: str = GROUP_KEY) -> int:
    answer = await http.post(GROUP_PATH, params={"key": key}, json={"msgtype": kind, kind: content})
    return int(answer.json()["errcode"])


@pytest.mark.parametrize(
    ("kind", "name", "data", "code"),
    [
        ("image", "a.png", PNG, 0),
        ("voice", "a.amr", b"#!AMR\n....", 0),
        ("file", "a.csv", b"123456", 0),
        ("hologram", "a.png", PNG, 40005),
        ("image", "a.png", b"GIF89a...", 40004),
        ("voice", "a.amr", b"RIFF......", 40004),
        ("image", "a.png", PNG + bytes(10 * MEGABYTE), 40009),
        ("voice", "a.amr", b"#!AMR" + bytes(2 * MEGABYTE), 45001),
        ("video", "a.mp4", bytes(10 * MEGABYTE + 1), 40011),
        ("file", "a.csv", bytes(20 * MEGABYTE + 1), 45001),
        ("file", "a.csv", b"12345", 44001),
        ("file", "报表.csv", b"123456", 44001),
    ],
)
async def test_an_upload_is_looked_at(http: httpx.AsyncClient, kind: str, name: str, data: bytes, code: int) -> None:
    answer = await upload(http, kind, name, data)
    assert (answer["errcode"], "media_id" in answer) == (code, code == 0)


async def test_an_upload_must_be_one(http: httpx.AsyncClient) -> None:
    assert (await upload(http, "file", "a.csv", b"123456", part="file"))["errcode"] == 44001
    assert (await http.post(UPLOAD_PATH, params={"type": "file"}, json={})).json()["errcode"] == 41005


async def test_an_upload_can_be_sent_as_what_it_is_for_three_days(http: httpx.AsyncClient, clock: Clock) -> None:
    media = {"media_id": (await upload(http, "image", "a.png", PNG))["media_id"]}
    assert (await send(http, "image", media))["errcode"] == 0
    assert (await send(http, "file", media))["errcode"] == 40007
    assert (await send(http, "image", {"media_id": "made-up"}))["errcode"] == 40007
    clock.now += 3 * 86400 + 1
    answer = await http.get(TOKEN_PATH, params={"corpid": "ww1", "corpsecret": "secret-of-the-app"})
    http.params = httpx.QueryParams({"access_token": answer.json()["access_token"]})
    assert (await send(http, "image", media))["errcode"] == 40007


@pytest.mark.parametrize(
    ("articles", "code"),
    [
        ([{"title": "题", "url": "https://example.invalid"}], 0),
        ([], 40058),
        ([{"title": "题", "url": "https://example.invalid"}] * 9, 40058),
        ([{"title": "题"}], 40058),
        ([{"title": "题" * 43, "url": "https://example.invalid"}], 45002),
        ([{"title": "题", "url": "https://example.invalid", "description": "明" * 171}], 45002),
    ],
)
async def test_news_are_one_to_eight_pages(http: httpx.AsyncClient, articles: list[dict[str, str]], code: int) -> None:
    assert (await send(http, "news", {"articles": articles}))["errcode"] == code


async def test_only_trusted_addresses_may_call(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    wecom.cloud.tokens.trusted_ips = {"203.0.113.7"}
    assert (await send(http, "text", {"content": "早"}))["errcode"] == 60020
    wecom.cloud.tokens.trusted_ips = {"127.0.0.1"}
    assert (await send(http, "text", {"content": "早"}))["errcode"] == 0


async def test_a_member_gets_a_thousand_messages_an_hour(
    http: httpx.AsyncClient, wecom: FakeWecom, clock: Clock
) -> None:
    for number in range(1001):
        clock.now += 3
        assert (await send(http, "text", {"content": str(number)}))["errcode"] == 0
    assert [one.payload["text"]["content"] for one in wecom.cloud.dropped] == ["1000"]
    assert len(wecom.screen("lily")) == 0


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("text", {"content": "早" * 682 + "ab"}, 0),
        ("text", {"content": "早" * 682 + "abc"}, 45002),
        ("markdown_v2", {"content": "a" * 4096}, 0),
        ("markdown_v2", {"content": "a" * 4097}, 45002),
        ("markdown", {"content": ""}, 44004),
        ("image", {"base64": base64.b64encode(PNG).decode(), "md5": "0" * 32}, 40058),
        ("image", {"base64": "???", "md5": ""}, 40058),
        ("image", {"base64": base64.b64encode(b"GIF89a").decode(), "md5": ""}, 40004),
        ("file", {"media_id": "made-up"}, 40007),
        ("template_card", {"card_type": "button_interaction"}, 40058),
        ("hologram", {}, 40008),
    ],
)
async def test_a_group_takes_what_the_page_says(http: httpx.AsyncClient, kind: str, content: Any, code: int) -> None:
    assert await post(http, kind, content) == code


async def test_a_picture_for_a_group_may_have_two_megabytes(http: httpx.AsyncClient) -> None:
    for data, code in ((PNG + bytes(2 * MEGABYTE - len(PNG)), 0), (PNG + bytes(2 * MEGABYTE), 40009)):
        md5 = hashlib.md5(data).hexdigest()
        assert await post(http, "image", {"base64": base64.b64encode(data).decode(), "md5": md5}) == code


async def test_a_groups_upload_is_its_own(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    wecom.cloud.groups.keys.add("another")
    given = {"key": GROUP_KEY, "type": "file"}
    answer = (await http.post(GROUP_UPLOAD_PATH, params=given, files={"media": ("a.csv", b"123456")})).json()
    media = {"media_id": answer["media_id"]}
    assert [await post(http, "file", media, key=key) for key in (GROUP_KEY, "another", "made-up")] == [0, 40007, 93000]
    assert (await send(http, "file", media))["errcode"] == 40007
    wrong = await http.post(GROUP_UPLOAD_PATH, params={"key": GROUP_KEY, "type": "image"}, files={"media": ("a", PNG)})
    assert wrong.json()["errcode"] == 40005


async def test_a_group_takes_twenty_a_minute(http: httpx.AsyncClient, clock: Clock) -> None:
    codes = [await post(http, "text", {"content": str(number)}) for number in range(21)]
    assert codes == [0] * 20 + [45009]
    clock.now += 60
    assert await post(http, "text", {"content": "早"}) == 0


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        ((SHOP,), {"shop": ["s2"]}),
        ((replace(SHOP, many=True),), {"shop": ["s1", "s2"]}),
        ((SHOP, DAY), {"shop": ["s1"], "day": ["sun"]}),
        ((SHOP,), {}),
    ],
)
async def test_what_is_chosen_on_a_phone_arrives_with_the_press(
    wecom: FakeWecom, clock: Clock, choices: tuple[Choice, ...], chosen: dict[str, list[str]]
) -> None:
    platform = WecomPlatform(wecom.settings, clock=clock)
    ref = CardRef("shop-3-77aa")
    await platform.send(BOSS, platform.render(Card("pick", "排班", choices=choices, buttons=SUBMIT), ref)[0], ref)
    callback = wecom.cloud.press("boss", wecom.shown("boss")[0].message_id, "submit", chosen)
    update = platform.read_callback(callback.query, callback.body, "acme", datetime.fromtimestamp(NOW, UTC))
    assert update is not None
    assert update.press == Press("shop-3-77aa", "submit", {key: tuple(options) for key, options in chosen.items()})
    await platform.update_card(update.address, Card("pick", "排班", state="已排"), ref)
    await platform.close()
    assert wecom.screen("boss")[0]["template_card"]["replace_text"] == "已处理"


@pytest.mark.parametrize("chosen", [{"shop": ["s1", "s2"]}, {"shop": ["s9"]}, {"other": ["s1"]}])
async def test_only_what_is_on_the_card_can_be_chosen(
    wecom: FakeWecom, clock: Clock, chosen: dict[str, list[str]]
) -> None:
    platform = WecomPlatform(wecom.settings, clock=clock)
    ref = CardRef("shop-3-77aa")
    await platform.send(BOSS, platform.render(Card("pick", "排班", choices=(SHOP,), buttons=SUBMIT), ref)[0], ref)
    await platform.close()
    with pytest.raises(NotOnPhone):
        wecom.cloud.press("boss", wecom.shown("boss")[0].message_id, "submit", chosen)


async def test_a_card_cannot_be_changed_for_more_than_a_thousand(http: httpx.AsyncClient) -> None:
    card = {
        "card_type": "button_interaction",
        "main_title": {"title": "题"},
        "task_id": "t1",
        "button_list": [{"text": "好", "key": "ok"}],
    }
    code = (await send(http, "template_card", card))["response_code"]
    body = {"userids": [f"u{n}" for n in range(1001)], "agentid": 1000002, "response_code": code, "template_card": card}
    assert (await http.post(UPDATE_PATH, json=body)).json()["errcode"] == 40058
