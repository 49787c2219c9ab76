"""The pretend WeCom keeps the documented rules, and what its phones send passes our verify and decode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from bot.loopback import loopback_site
from bot.platforms.base import CardRef
from bot.platforms.wecom.decode import decode
from bot.platforms.wecom.platform import WecomPlatform
from bot.sandbox.phones import Phones
from bot.sandbox.wecom_callbacks import ATTEMPTS, Callback, deliver
from bot.sandbox.wecom_cloud import WecomCloud
from bot.sandbox.wecom_presses import NotOnPhone
from handlers.messages import Address, Button, Card, Press, Update
from tests.fakes.wecom import NOW, SEND_PATH, TOKEN_PATH, UPDATE_PATH, Clock, FakeWecom, settings

AT = datetime.fromtimestamp(NOW, UTC)
BOSS = Address("wecom", "user:boss", "boss")
REF = CardRef("plan-17-9f3a")
CARD = Card("plan", "促复购活动", buttons=(Button("launch", "上架", "launch", primary=True),))
DONE = Card("plan", "促复购活动", state="王店长 10:32 已上架 · 券 123")
TEXT = {"touser": "boss", "msgtype": "text", "agentid": 1000002, "text": {"content": "早"}}
BUTTONS = [{"text": "上架", "style": 1, "key": "launch"}]
BUTTON_CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "促复购活动"},
    "task_id": "t1",
    "button_list": BUTTONS,
}
NOTICE = {"card_type": "text_notice", "main_title": {"title": "券即将到期"}}
PAGE = {"type": 1, "url": "https://example.invalid/page"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def http(wecom: FakeWecom) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=wecom.settings.base_url, trust_env=False) as client:
        yield client


async def token(http: httpx.AsyncClient) -> str:
    answer = await http.get(TOKEN_PATH, params={"corpid": "ww1", "corpsecret": "secret-of-the-app"})
    return str(answer.json()["access_token"])


async def post(http: httpx.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    answer = await http.post(path, params={"access_token": await token(http)}, json=body)
    assert answer.status_code == 200
    return dict(answer.json())


def card(**changes: Any) -> dict[str, Any]:
    return {**TEXT, "msgtype": "template_card", "template_card": {**BUTTON_CARD, **changes}}


def update_of(wecom: FakeWecom, callback: Callback) -> Update:
    platform = WecomPlatform(wecom.settings)
    found = decode(platform.open_callback(callback.query, callback.body, NOW), "acme", AT)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"corpid": "ww2", "corpsecret": "secret-of-the-app"}, 40013),
        ({"corpid": "ww1", "corpsecret": "是"}, 40001),
        ({}, 40013),
    ],
)
async def test_a_wrong_account_gets_no_token(http: httpx.AsyncClient, query: dict[str, str], code: int) -> None:
    answer = (await http.get(TOKEN_PATH, params=query)).json()
    assert answer["errcode"] == code
    assert "access_token" not in answer


@pytest.mark.parametrize(("given", "code"), [({}, 41001), ({"access_token": "made-up"}, 40014)])
async def test_a_call_needs_a_token(http: httpx.AsyncClient, given: dict[str, str], code: int) -> None:
    assert (await http.post(SEND_PATH, params=given, json=TEXT)).json()["errcode"] == code


async def test_a_token_expires(http: httpx.AsyncClient, clock: Clock) -> None:
    given = {"access_token": await token(http)}
    clock.now += 7201
    assert (await http.post(SEND_PATH, params=given, json=TEXT)).json()["errcode"] == 42001


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", 47001),
        (b"[]", 47001),
        (b"\xff", 47001),
        (b'{"agentid":1000002,"touser":"boss","msgtype":"text","text":{"content":"\\u65e9"}}', 40033),
    ],
)
async def test_a_body_that_is_no_utf8_json_is_refused(http: httpx.AsyncClient, raw: bytes, code: int) -> None:
    answer = await http.post(SEND_PATH, params={"access_token": await token(http)}, content=raw)
    assert answer.json()["errcode"] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**TEXT, "agentid": 1}, 40056),
        ({**TEXT, "touser": ""}, 82001),
        ({**TEXT, "touser": "nobody|no-one"}, 81013),
        ({**TEXT, "touser": "|".join(f"u{n}" for n in range(1001))}, 40058),
        ({**TEXT, "msgtype": "hologram"}, 40008),
        ({**TEXT, "text": {"content": "  "}}, 44004),
        ({**TEXT, "text": "早"}, 44004),
        (card(button_list=[{**BUTTONS[0], "key": f"k{n}"} for n in range(7)]), 42014),
        (card(button_list=[]), 42014),
        (card(task_id="a:b"), 42014),
        (card(task_id="a" * 129), 42014),
        (card(button_list=BUTTONS * 2), 42018),
        (card(button_list=[{**BUTTONS[0], "text": "十一个字的按钮真的太长"}]), 42020),
        (card(button_list=[{**BUTTONS[0], "style": 9}]), 40058),
        (card(main_title={}), 41016),
        (card(main_title={"title": "长" * 37}), 40058),
        (card(sub_title_text="长" * 161), 40058),
        (card(horizontal_content_list=[{"keyname": "a", "value": "b"}] * 7), 40058),
        ({**TEXT, "msgtype": "template_card", "template_card": NOTICE}, 42045),
        (card(card_type="hologram"), 40058),
    ],
)
async def test_a_message_against_the_rules_is_refused(
    http: httpx.AsyncClient, wecom: FakeWecom, body: dict[str, Any], code: int
) -> None:
    assert (await post(http, SEND_PATH, body))["errcode"] == code
    assert wecom.screen("boss") == []


@pytest.mark.parametrize("kind", ["text", "markdown"])
async def test_a_text_real_wecom_would_cut_is_refused(http: httpx.AsyncClient, wecom: FakeWecom, kind: str) -> None:
    for content, code in (("早" * 682 + "ab", 0), ("早" * 682 + "abc", 45002)):
        assert (await post(http, SEND_PATH, {**TEXT, "msgtype": kind, kind: {"content": content}}))["errcode"] == code
    assert len(wecom.screen("boss")) == 1


async def test_everybody_and_several_are_reached(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    answer = await post(http, SEND_PATH, {**TEXT, "touser": "Boss|NOBODY|lily"})
    assert answer["invaliduser"] == "nobody"
    await post(http, SEND_PATH, {**TEXT, "touser": "@all"})
    assert [len(wecom.screen(user)) for user in ("boss", "lily", "zhangsan")] == [2, 2, 1]


async def test_an_identical_message_is_dropped_only_when_asked_for(
    http: httpx.AsyncClient, wecom: FakeWecom, clock: Clock
) -> None:
    checked = {**TEXT, "enable_duplicate_check": 1, "duplicate_check_interval": 1800}
    for body in (checked, checked, TEXT):
        assert (await post(http, SEND_PATH, body))["errcode"] == 0
    assert len(wecom.screen("boss")) == 2
    clock.now += 1801
    await post(http, SEND_PATH, checked)
    assert len(wecom.screen("boss")) == 3


async def test_a_task_id_works_once(http: httpx.AsyncClient) -> None:
    assert [(await post(http, SEND_PATH, card()))["errcode"] for _ in range(2)] == [0, 42014]


async def test_a_notice_without_a_menu_gives_no_code(http: httpx.AsyncClient) -> None:
    notice = {**TEXT, "msgtype": "template_card", "template_card": {**NOTICE, "card_action": PAGE}}
    answer = await post(http, SEND_PATH, notice)
    assert (answer["errcode"], "response_code" in answer) == (0, False)


async def test_an_update_of_the_button_greys_it_and_uses_the_code(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    sent = await post(http, SEND_PATH, card())
    body = {"userids": ["boss", "lily"], "agentid": 1000002, "response_code": sent["response_code"]}
    answer = await post(http, UPDATE_PATH, {**body, "button": {"replace_name": "已领取"}})
    assert (answer["errcode"], answer["invaliduser"]) == (0, ["lily"])
    assert wecom.screen("boss")[0]["template_card"]["replace_text"] == "已领取"
    assert (await post(http, UPDATE_PATH, {**body, "button": {"replace_name": "x"}}))["errcode"] == 42022


async def test_a_refused_update_leaves_card_and_code_alone(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    code = (await post(http, SEND_PATH, card()))["response_code"]
    body = {"userids": ["boss"], "agentid": 1000002, "response_code": code}
    for bad, errcode in (
        ({"template_card": {"card_type": "text_notice"}}, 41016),
        ({}, 40058),
        ({"userids": []}, 82001),
    ):
        assert (await post(http, UPDATE_PATH, {**body, **bad}))["errcode"] == errcode
    good = {**BUTTON_CARD, "task_id": "ignored", "replace_text": "已处理"}
    assert (await post(http, UPDATE_PATH, {**body, "template_card": good}))["errcode"] == 0
    assert wecom.screen("boss")[0]["template_card"] == {**good, "task_id": "t1"}


@pytest.mark.parametrize("code", ["", "x", "a.b.c.d", "是.1.2.3"])
async def test_a_made_up_code_changes_nothing(http: httpx.AsyncClient, code: str) -> None:
    body = {"userids": ["boss"], "agentid": 1000002, "response_code": code, "template_card": BUTTON_CARD}
    assert (await post(http, UPDATE_PATH, body))["errcode"] == 42016


def test_a_typed_text_reaches_us_as_it_was_typed(wecom: FakeWecom) -> None:
    said = "券 ]]> <b>&amp; 早\n第二行"
    update = update_of(wecom, wecom.cloud.type_text("Boss", said))
    assert (update.kind, update.text, update.address.user_id) == ("text", said, "boss")
    assert [shown.direction for shown in wecom.shown("boss")] == ["out"]


def test_two_equal_texts_are_two_messages(wecom: FakeWecom) -> None:
    first, second = (update_of(wecom, wecom.cloud.type_text("boss", "帮助")) for _ in range(2))
    assert first.dedupe_key != second.dedupe_key


def test_opening_the_chat_is_an_enter(wecom: FakeWecom) -> None:
    assert update_of(wecom, wecom.cloud.open_chat("boss")).kind == "enter"


async def test_press_and_update_go_the_whole_way(wecom: FakeWecom, clock: Clock) -> None:
    platform = WecomPlatform(wecom.settings, clock=clock)
    await platform.send(BOSS, platform.render(CARD, REF)[0], REF)
    (shown,) = wecom.shown("boss")
    first, second = (update_of(wecom, wecom.cloud.press("boss", shown.message_id, "launch")) for _ in range(2))
    assert first.press == Press("plan-17-9f3a", "launch")
    assert first.dedupe_key != second.dedupe_key
    for update in (first, second):  # pressed twice in flight: both end in the same card
        await platform.update_card(update.address, DONE, REF)
    await platform.close()
    (shown,) = wecom.shown("boss")
    assert shown.payload["template_card"]["main_title"]["desc"] == DONE.state
    with pytest.raises(NotOnPhone):
        wecom.cloud.press("boss", shown.message_id, "finished")


async def test_only_what_a_phone_shows_can_be_pressed(http: httpx.AsyncClient, wecom: FakeWecom) -> None:
    await post(http, SEND_PATH, card())
    (shown,) = wecom.shown("boss")
    for user, message, key in (
        ("lily", shown.message_id, "launch"),
        ("boss", "nothing", "launch"),
        ("boss", shown.message_id, "other"),
    ):
        with pytest.raises(NotOnPhone):
            wecom.cloud.press(user, message, key)


async def test_a_card_pressed_after_a_restart_of_the_sandbox_can_be_changed(tmp_path: Path, clock: Clock) -> None:
    async def cloud_for(work: str) -> str:
        phones = Phones(tmp_path / "phones.db")
        cloud = WecomCloud(phones, settings(), ["boss"], clock)
        app = web.Application()
        app.add_routes(cloud.routes("/wecom"))
        async with loopback_site(app) as address:
            platform = WecomPlatform(settings(f"{address}/wecom"), clock=clock)
            if work == "send":
                await platform.send(BOSS, platform.render(CARD, REF)[0], REF)
            else:
                (shown,) = phones.screen("wecom", "boss")
                callback = cloud.press("boss", shown.message_id, "launch")
                update = decode(platform.open_callback(callback.query, callback.body, NOW), "acme", AT)
                assert update is not None
                await platform.update_card(update.address, DONE, REF)
            await platform.close()
        (shown,) = phones.screen("wecom", "boss")
        phones.close()
        return str(shown.payload["template_card"].get("replace_text"))

    assert await cloud_for("send") == "None"
    assert await cloud_for("press") == "已处理"


async def test_wecom_delivers_three_times_at_most(wecom: FakeWecom, http: httpx.AsyncClient) -> None:
    statuses: list[int] = []
    asked: list[bytes] = []

    async def callback_url(request: web.Request) -> web.Response:
        asked.append(await request.read())
        return web.Response(status=statuses.pop(0))

    app = web.Application()
    app.add_routes([web.post("/", callback_url)])
    async with loopback_site(app) as address:
        callback = wecom.cloud.type_text("boss", "早")
        statuses += [500, 200]
        assert await deliver(http, address, callback)
        statuses += [500] * ATTEMPTS
        assert not await deliver(http, address, callback)
    assert asked == [callback.body] * 5
    assert not await asyncio.wait_for(deliver(http, address, callback), 5)
