"""The pretend DingTalk refuses what the real one refuses: a sandbox that takes everything would prove nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from bot.config import DingtalkSettings
from bot.loopback import loopback_site
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk.stream import DingtalkStream
from bot.sandbox.dingtalk_cards import STREAMING_TEMPLATE
from bot.sandbox.dingtalk_cloud import DingtalkCloud
from bot.sandbox.phones import Phones
from handlers.messages import Text, Update
from tests.fakes.dingtalk import (
    BATCH_SEND,
    BY_MOBILE,
    CARD,
    DELIVER,
    GATEWAY,
    GROUP_SEND,
    REGISTER,
    SECRET,
    STREAMING,
    TOKEN,
    UPLOAD,
    USER,
    WEBHOOK,
    until,
)

TEMPLATE = "1366a1eb-bc54-4859-ac88-517c56a9acb1.schema"
LINK = '{"title": "t", "text": "x", "picUrl": "", "messageUrl": "https://x.cn"}'
FILE = '{"mediaId": "@never", "fileName": "a.pdf", "fileType": "pdf"}'
PNG = b"\x89PNG\r\n\x1a\n and more"


def full(*buttons: Any) -> dict[str, Any]:
    """Card data with these buttons."""
    return {"cardParamMap": {"sys_full_json_obj": json.dumps({"msgButtons": buttons})}}


class Clock:
    """A time of day that moves when told."""

    def __init__(self) -> None:
        self.now = 1_763_685_000.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """Calls the cloud as any HTTP client would."""

    def __init__(self, base: str, http: httpx.AsyncClient, cloud: DingtalkCloud, phones: Phones, clock: Clock) -> None:
        self.base, self.http, self.cloud, self.phones, self.clock = base, http, cloud, phones, clock
        self.token = ""

    async def log_in(self) -> None:
        body = {"appKey": "dingfake", "appSecret": SECRET}
        self.token = (await self.http.post(self.base + TOKEN, json=body)).json()["accessToken"]

    async def call(self, path: str, body: Any, method: str = "POST") -> tuple[int, dict[str, Any]]:
        headers = {"x-acs-dingtalk-access-token": self.token}
        response = await self.http.request(method, self.base + path, json=body, headers=headers)
        return response.status_code, response.json()

    async def code(self, path: str, body: Any, method: str = "POST") -> str:
        status, answer = await self.call(path, body, method)
        return str(answer.get("code", status))

    async def ticket(self) -> str:
        body = {"clientId": "dingfake", "clientSecret": SECRET}
        return str((await self.http.post(self.base + GATEWAY, json=body)).json()["ticket"])


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """A cloud under a prefix, as the sandbox serves it."""
    phones, clock, app = Phones(), Clock(), web.Application()
    cloud = DingtalkCloud(phones, "dingfake", SECRET, "dingfake", clock)
    cloud.add_to(app, "/sandbox/dingtalk")
    cloud.add_group("cidGroup==", "售后群", ("u1", "u2"))
    async with loopback_site(app) as origin, httpx.AsyncClient() as http:
        made = Caller(f"{origin}/sandbox/dingtalk", http, cloud, phones, clock)
        await made.log_in()
        yield made
    phones.close()


def message(**fields: Any) -> dict[str, Any]:
    param = '{"title": "t", "text": "你好"}'
    return {"robotCode": "dingfake", "userIds": ["u1"], "msgKey": "sampleMarkdown", "msgParam": param} | fields


def card(**fields: Any) -> dict[str, Any]:
    return {
        "cardTemplateId": TEMPLATE,
        "outTrackId": "c-1",
        "callbackType": "STREAM",
        "cardData": {"cardParamMap": {"title": "t", "markdown": "m"}},
        "openSpaceId": "dtv1.card//IM_ROBOT.u1",
        "imRobotOpenSpaceModel": {"supportForward": False},
        "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": "dingfake"},
    } | fields


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "200"),
        ({"userIds": [f"u{n}" for n in range(21)]}, "invalidParameter.userIds.overMax"),
        ({"userIds": []}, "invalidParameter.userIds.empty"),
        ({"robotCode": "other"}, "invalidParameter.robotCode.notExsit"),
        ({"msgParam": {"title": "t", "text": "x"}}, "invalidParameter.msgParam.invalid"),
        ({"msgParam": "no json"}, "invalidParameter.msgParam.invalid"),
        ({"msgParam": '{"text": "x"}'}, "invalidParameter.msgParam.invalid"),
        ({"msgKey": "sampleUnheardOf"}, "invalidParameter.msgParam.invalid"),
        ({"msgParam": '{"title": "t", "text": "' + "字" * 5000 + '"}'}, "invalidParameter.msgParam.tooLong"),
        ({"msgParam": '{"title": "t", "text": 7}'}, "invalidParameter.msgParam.invalid"),
        ({"msgKey": "sampleText", "msgParam": '{"content": "你好"}'}, "200"),
        ({"msgKey": "sampleImageMsg", "msgParam": '{"photoURL": "https://x.cn/1.png"}'}, "200"),
        ({"msgKey": "sampleImageMsg", "msgParam": '{"photoURL": "@never"}'}, "invalidParameter.msgParam.invalid"),
        ({"msgKey": "sampleLink", "msgParam": LINK}, "200"),
        ({"msgKey": "sampleLink", "msgParam": '{"title": "t", "text": "x"}'}, "invalidParameter.msgParam.invalid"),
        ({"msgKey": "sampleFile", "msgParam": FILE}, "invalidParameter.msgParam.invalid"),
    ],
)
async def test_robot_messages(caller: Caller, fields: dict[str, Any], code: str) -> None:
    assert await caller.code(BATCH_SEND, message(**fields)) == code
    assert len(caller.phones.screen("dingtalk", "u1")) == (code == "200")


async def test_a_group_the_robot_is_not_in(caller: Caller) -> None:
    body = message(openConversationId="cidOther==")
    assert await caller.code(GROUP_SEND, body) == "invalidParameter.openConversationId.notExist"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "200"),
        ({"outTrackId": ""}, "param.outTrackIdEmpty"),
        ({"cardTemplateId": "mine.schema"}, "param.templateNotExist"),
        ({"cardData": {"cardParamMap": {"count": 1}}}, "param.cardDataInvalid"),
        ({"cardData": {"cardParamMap": {"sys_full_json_obj": "{"}}}, "param.cardDataInvalid"),
        ({"cardData": None}, "param.cardDataInvalid"),
        ({"cardData": {"cardParamMap": {"k" * 101: "v"}}}, "param.cardDataInvalid"),
        ({"cardData": {"cardParamMap": {"sys_full_json_obj": "[]"}}}, "param.cardDataInvalid"),
        ({"cardData": full({"text": "上架", "id": "launch", "request": True})}, "200"),
        ({"cardData": full({"text": "上架", "id": "launch1", "request": True})}, "param.cardDataInvalid"),
        ({"cardData": full({"text": "上架", "id": "launch"})}, "param.cardDataInvalid"),
        ({"cardData": full({"id": "launch", "request": True})}, "param.cardDataInvalid"),
        ({"cardData": full({"text": "打开", "url": "https://x.cn"})}, "200"),
        ({"imRobotOpenSpaceModel": None}, "param.spaceDeliverModelEmpty"),
        ({"imRobotOpenDeliverModel": None}, "param.openDeliverModelEmpty"),
        ({"openSpaceId": "u1"}, "param.openSpaceIdInvalid"),
        ({"openSpaceId": "dtv1.card//IM_GROUP.cidGroup=="}, "param.spaceDeliverModelEmpty"),
        ({"imRobotOpenDeliverModel": {"robotCode": "other"}}, "invalidParameter.robotCode.notExsit"),
    ],
)
async def test_cards(caller: Caller, fields: dict[str, Any], code: str) -> None:
    assert await caller.code(DELIVER, card(**fields)) == code


async def test_a_second_card_of_one_id(caller: Caller) -> None:
    assert [await caller.code(DELIVER, card()) for _ in range(2)] == ["200", "param.cardAlreadyExist"]


async def test_a_card_for_a_group_the_robot_is_not_in_is_created_and_not_delivered(caller: Caller) -> None:
    models = {"imGroupOpenSpaceModel": {}, "imGroupOpenDeliverModel": {"robotCode": "dingfake"}}
    status, answer = await caller.call(DELIVER, card(**models, openSpaceId="dtv1.card//IM_GROUP.cidOther=="))
    assert (status, answer["result"]["deliverResults"][0]["success"]) == (200, False)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"cardUpdateOptions": {"updateCardDataByKey": True}}, {"title": "t", "markdown": "new"}),
        ({}, {"markdown": "new"}),
    ],
)
async def test_an_update_without_by_key_empties_the_rest(
    caller: Caller, options: dict[str, Any], left: dict[str, str]
) -> None:
    await caller.call(DELIVER, card())
    await caller.call(CARD, {"outTrackId": "c-1", "cardData": {"cardParamMap": {"markdown": "new"}}} | options, "PUT")
    [shown] = caller.phones.find("dingtalk", "c-1")
    assert shown.payload["cardParamMap"] == left


async def test_a_card_without_stream_callback_cannot_be_pressed(caller: Caller) -> None:
    await caller.call(DELIVER, card(callbackType=""))
    with pytest.raises(LookupError, match="callbackType"):
        await caller.cloud.press("u1", "c-1", "launch")


async def test_a_token_ends_after_two_hours_and_asking_again_extends_it(caller: Caller) -> None:
    first = caller.token
    caller.clock.now += 7000
    await caller.log_in()
    assert caller.token == first
    caller.clock.now += 7201
    assert await caller.code(BATCH_SEND, message()) == "InvalidAuthentication"


@pytest.mark.parametrize(("waited", "errcode"), [(5399, 0), (5401, 300001)])
async def test_a_session_webhook_ends_after_ninety_minutes(caller: Caller, waited: int, errcode: int) -> None:
    session = caller.cloud.open_session(caller.base, "u1")
    caller.clock.now += waited
    body = {"msgtype": "markdown", "markdown": {"title": "t", "text": "你好"}}
    assert (await caller.http.post(session.url, json=body)).json()["errcode"] == errcode
    assert (await caller.http.post(caller.base + WEBHOOK, json=body)).json()["errcode"] == 300001


@pytest.mark.parametrize("body", [{"clientId": "dingfake", "clientSecret": "x"}, {}, [], "x"])
async def test_the_gateway_wants_the_right_credentials(caller: Caller, body: Any) -> None:
    response = await caller.http.post(caller.base + GATEWAY, json=body)
    assert (response.status_code, response.json()["code"]) == (401, "authFailed")


async def test_a_ticket_works_once_and_for_ninety_seconds(caller: Caller) -> None:
    used, stale = await caller.ticket(), await caller.ticket()
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{caller.base}/connect?ticket={used}"):
            pass
        caller.clock.now += 91
        for ticket in (used, stale, "made-up"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{caller.base}/connect?ticket={ticket}")
            assert refused.value.status == 401


async def test_the_real_client_works_with_a_base_address_that_has_a_path(caller: Caller) -> None:
    settings = DingtalkSettings.model_validate(
        {"client_id": "dingfake", "client_secret": SECRET, "robot_code": "dingfake"}
        | {"base_url": caller.base, "oapi_base_url": caller.base}
    )
    updates: list[Update] = []

    async def receive(update: Update) -> bool:
        updates.append(update)
        return True

    stream, platform = DingtalkStream(settings, "demo", receive), DingtalkPlatform(settings, caller.http, caller.clock)
    stream.start()
    await until(lambda: bool(caller.cloud.links))
    await caller.cloud.say("u1", "你好")
    await platform.send(updates[0].address, platform.render(Text("在的"))[0])
    await stream.stop()
    assert [shown.payload["text"] for shown in caller.phones.screen("dingtalk", "u1")] == ["你好", "在的"]


async def test_more_than_twenty_calls_a_second_of_one_api_are_throttled(caller: Caller) -> None:
    codes = [await caller.code(BATCH_SEND, message()) for _ in range(22)]
    assert codes == ["200"] * 20 + ["Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"] * 2
    assert await caller.code(DELIVER, card()) == "200"  # another API has a rate of its own
    caller.clock.now += 1.01
    assert await caller.code(BATCH_SEND, message()) == "200"


async def test_a_spent_quota_refuses_every_call_and_empties_every_message(caller: Caller) -> None:
    caller.cloud.door.quota_spent = True
    status, answer = await caller.call(BATCH_SEND, message())
    assert (status, answer["code"]) == (403, "Forbidden.AccessDenied.ApiCountLimitForOrg")


def step(**fields: Any) -> dict[str, Any]:
    return {"outTrackId": "c-1", "guid": "g1", "key": "msgContent", "content": "好", "isFull": True} | fields


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "200"),
        ({"outTrackId": "c-2"}, "param.cardNotExist"),
        ({"guid": ""}, "param.stream.content"),
        ({"isFull": False}, "param.stream.content"),
        ({"content": 7}, "param.stream.content"),
        ({"content": "字" * 20_001}, "param.stream.content"),
    ],
)
async def test_steps_of_a_streaming_card(caller: Caller, fields: dict[str, Any], code: str) -> None:
    await caller.call(DELIVER, card(cardTemplateId=STREAMING_TEMPLATE))
    assert await caller.code(STREAMING, step(**fields), "PUT") == code


async def test_a_step_is_taken_once_and_none_after_the_last(caller: Caller) -> None:
    await caller.call(DELIVER, card(cardTemplateId=STREAMING_TEMPLATE))
    for fields in ({}, {"content": "又"}, {"guid": "g2", "content": "好了", "isFinalize": True}):
        assert await caller.code(STREAMING, step(**fields), "PUT") == "200"
    assert await caller.code(STREAMING, step(guid="g3"), "PUT") == "param.stream.finished"
    [shown] = caller.phones.find("dingtalk", "c-1")
    assert (shown.payload["cardParamMap"]["msgContent"], shown.payload["cardParamMap"]["flowStatus"]) == ("好了", "3")


async def test_a_route_is_registered_once_unless_it_is_forced(caller: Caller) -> None:
    route = {"callbackRouteKey": "r", "callbackUrl": "https://x.cn/card", "apiSecret": "s"}
    assert await caller.code(REGISTER, route) == "200"
    assert await caller.code(REGISTER, route) == "param.callbackRouteKeyExist"
    assert await caller.code(REGISTER, route | {"forceUpdate": True}) == "200"
    assert await caller.code(REGISTER, route | {"callbackUrl": "x.cn"}) == "param.callbackUrlInvalid"


async def upload(caller: Caller, data: bytes, kind: str = "image", token: str = "", field: str = "media") -> int:
    """Upload as the old API wants it and return its errcode."""
    query = {"access_token": token or caller.token, "type": kind}
    response = await caller.http.post(caller.base + UPLOAD, params=query, files={field: ("a.png", data)})
    return int(response.json()["errcode"])


@pytest.mark.parametrize(
    ("data", "fields", "errcode"),
    [
        (PNG, {}, 0),
        (PNG, {"token": "stale"}, 40014),
        (PNG, {"kind": "hologram"}, 40004),
        (PNG, {"field": "file"}, 40035),
        (b"no picture", {}, 40005),
        (b"", {"kind": "file"}, 40005),
        (b"a sheet", {"kind": "file"}, 0),
        (PNG + bytes(2 * 2**20), {"kind": "voice"}, 40006),
    ],
)
async def test_uploads(caller: Caller, data: bytes, fields: dict[str, str], errcode: int) -> None:
    assert await upload(caller, data, **fields) == errcode


async def test_a_picture_is_no_file_and_a_file_no_picture(caller: Caller) -> None:
    await upload(caller, PNG)
    await upload(caller, b"a sheet", "file")
    picture, sheet = caller.cloud.media.uploads
    as_file = json.dumps({"mediaId": picture, "fileName": "a.pdf", "fileType": "pdf"})
    as_picture = json.dumps({"photoURL": sheet})
    unheard_of = json.dumps({"mediaId": sheet, "fileName": "a.exe", "fileType": "exe"})
    for key, param in (("sampleFile", as_file), ("sampleImageMsg", as_picture), ("sampleFile", unheard_of)):
        body = message(msgKey=key, msgParam=param)
        assert await caller.code(BATCH_SEND, body) == "invalidParameter.msgParam.invalid"


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"msgtype": "text", "text": {"content": "好"}}, 0),
        ({"msgtype": "link", "link": {"title": "t", "text": "x", "messageUrl": "https://x.cn", "picUrl": ""}}, 0),
        ({"msgtype": "link", "link": {"title": "t"}}, 400106),
        ({"msgtype": "feedCard", "feedCard": {"links": [{"title": "t", "messageURL": "u", "picURL": ""}]}}, 400106),
        ({"msgtype": "image", "image": {}}, 400105),
        ({"msgtype": "text", "text": {"content": "字" * 7000}}, 460101),
    ],
)
async def test_what_a_session_webhook_takes(caller: Caller, body: dict[str, Any], errcode: int) -> None:
    session = caller.cloud.open_session(caller.base, "u1")
    assert (await caller.http.post(session.url, json=body)).json()["errcode"] == errcode


async def test_the_book_knows_people_by_id_and_by_number(caller: Caller) -> None:
    caller.cloud.book.add("u1", "张三", "13800000001")
    for path, body, errcode in (
        (USER, {"userid": "u1"}, 0),
        (USER, {"userid": "u2"}, 33012),
        (BY_MOBILE, {"mobile": "13800000001"}, 0),
        (BY_MOBILE, {"mobile": "13800000002"}, 60121),
        (BY_MOBILE, {"mobile": "1"}, 40104),
    ):
        response = await caller.http.post(caller.base + path, params={"access_token": caller.token}, json=body)
        assert response.json()["errcode"] == errcode
