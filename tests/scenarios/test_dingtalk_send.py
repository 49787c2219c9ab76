"""Answers, pushes and cards over real HTTP to the fake DingTalk, and everything it can say to them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.logs import QUIET
from bot.platforms.base import CardRef, Refused, TryLater, Unknown
from bot.platforms.dingtalk.client import DingtalkClient
from bot.platforms.dingtalk.platform import DingtalkPlatform
from handlers.messages import Address, Button, Card, Text
from tests.fakes.dingtalk import (
    BATCH_SEND,
    CARD,
    DELIVER,
    GROUP_SEND,
    SECRET,
    TOKEN,
    WEBHOOK,
    FakeDingtalk,
    Planned,
    fake_dingtalk,
)

PERSON = Address("dingtalk", "user:u1", "u1")
GROUP = Address("dingtalk", "cidGroup==", "u1", group=True)
TEXT = {"type": "markdown", "title": "你好", "text": "你好"}
REF = CardRef("c-1")
PLAN = Card("plan", "促复购方案", "满200减40", buttons=(Button("launch", "上架", "execute.launch", primary=True),))
DONE = Card("plan", "促复购方案", "满200减40", state="王店长 10:32 已上架 · 券 123")
QPS = Planned(403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "message": "slow", "requestid": "r"})


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        fake.cloud.add_group("cidGroup==", "售后群", ("u1", "u2"))
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


@pytest.fixture
def platform(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> DingtalkPlatform:
    return DingtalkPlatform(dingtalk.settings(), http)


async def asked(dingtalk: FakeDingtalk, user_id: str = "u1", group: str = "", **hints: Any) -> Address:
    """Return the address of a message that came a moment ago, with its session webhook."""
    session = dingtalk.cloud.open_session(dingtalk.base, user_id, group)
    hints = {"sessionWebhook": session.url, "sessionWebhookExpiredTime": session.expires_ms} | hints
    return replace(GROUP if group else replace(PERSON, user_id=user_id, conversation=f"user:{user_id}"), hints=hints)


def markdown(dingtalk: FakeDingtalk, user_id: str = "u1") -> list[str]:
    return [bubble["text"] for bubble in dingtalk.screen(user_id) if bubble["msgtype"] == "markdown"]


def params(dingtalk: FakeDingtalk, user_id: str = "u1") -> dict[str, str]:
    [card] = [bubble for bubble in dingtalk.screen(user_id) if bubble["msgtype"] == "card"]
    found: dict[str, str] = card["cardParamMap"]
    return found


# --- text ---


async def test_an_answer_goes_by_the_session_webhook_without_a_token(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    await platform.send(await asked(dingtalk), TEXT)
    assert markdown(dingtalk) == ["你好"]
    assert [call.path for call in dingtalk.calls] == [WEBHOOK]


async def test_an_answer_in_a_group_is_seen_by_all(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await platform.send(await asked(dingtalk, group="cidGroup=="), TEXT)
    assert (markdown(dingtalk, "u1"), markdown(dingtalk, "u2")) == (["你好"], ["你好"])


async def test_a_push_to_a_person_goes_by_the_robot_api(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    receipt = await platform.send(PERSON, TEXT)
    [call] = dingtalk.called(BATCH_SEND)
    assert (call.body["userIds"], call.body["robotCode"]) == (["u1"], "dingfake")
    assert json.loads(call.body["msgParam"]) == {"title": "你好", "text": "你好"}
    assert [shown.message_id for shown in dingtalk.phones.screen("dingtalk", "u1")] == [receipt.message_id]


async def test_a_push_to_a_group_goes_to_the_group(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    receipt = await platform.send(GROUP, TEXT)
    assert receipt.message_id
    assert len(dingtalk.called(GROUP_SEND)) == 1
    assert (markdown(dingtalk, "u1"), markdown(dingtalk, "u2")) == (["你好"], ["你好"])


@pytest.mark.parametrize(("seconds_left", "paths"), [(119, [TOKEN, BATCH_SEND]), (125, [WEBHOOK])])
async def test_a_webhook_close_to_its_end_is_not_used(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, seconds_left: int, paths: list[str]
) -> None:
    expires = int((time.time() + seconds_left) * 1000)
    await platform.send(await asked(dingtalk, sessionWebhookExpiredTime=expires), TEXT)
    assert [call.path for call in dingtalk.calls] == paths


@pytest.mark.parametrize(("group", "path"), [("", BATCH_SEND), ("cidGroup==", GROUP_SEND)])
async def test_a_spent_webhook_is_followed_by_the_robot_api(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, group: str, path: str
) -> None:
    dingtalk.plan(WEBHOOK, Planned(200, {"errcode": 300001, "errmsg": "session 不存在"}))
    await platform.send(await asked(dingtalk, group=group), TEXT)
    assert [call.path for call in dingtalk.calls] == [WEBHOOK, TOKEN, path]
    assert markdown(dingtalk) == ["你好"]


@pytest.mark.parametrize(
    "webhook",
    [
        "https://oapi.dingtalk.com.evil.example/robot/sendBySession?session=1",
        "https://user@oapi.dingtalk.com/robot/sendBySession?session=1",
        "http://oapi.dingtalk.com/robot/sendBySession?session=1",
        "https://oapi.dingtalk.com:8443/x",
        "http://127.0.0.1:1/robot/sendBySession?session=1",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://[broken",
        "",
    ],
)
async def test_an_address_that_is_not_dingtalks_is_never_posted_to(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, webhook: str
) -> None:
    client = DingtalkClient(dingtalk.settings(), http, time.time)
    with pytest.raises(Refused, match="回复地址不是钉钉的"):
        await client.reply(webhook, "你好", "你好")


async def test_an_outsider_is_answered_by_webhook_and_unreachable_without(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    outsider = Address("dingtalk", "cidOut==", "", hints=(await asked(dingtalk)).hints)
    await platform.send(outsider, TEXT)
    assert markdown(dingtalk) == ["你好"]
    with pytest.raises(Refused, match="不知道发给谁"):
        await platform.send(replace(outsider, hints={}), TEXT)


async def test_21_people_are_two_calls_and_each_call_tells_its_own_refusals(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient
) -> None:
    rejected = {"processQueryKey": "k", "invalidStaffIdList": ["u3"], "flowControlledStaffIdList": ["u4"]}
    dingtalk.plan(BATCH_SEND, Planned(200, rejected), QPS)
    client = DingtalkClient(dingtalk.settings(), http, time.time)
    first, second = await client.send_to_users([f"u{n}" for n in range(21)], "你好", "你好")
    assert [len(call.body["userIds"]) for call in dingtalk.called(BATCH_SEND)] == [20, 1]
    assert (first.message_id, first.refused, first.throttled, first.error) == ("k", ("u3",), ("u4",), None)
    assert second.users == ("u20",)
    assert isinstance(second.error, TryLater)


async def test_the_cloud_refuses_what_dingtalk_would(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    stranger = DingtalkPlatform(dingtalk.settings(robot_code="other"))
    with pytest.raises(Refused, match="没有这个机器人"):
        await stranger.send(PERSON, TEXT)
    with pytest.raises(Refused, match="消息太长"):
        await platform.send(PERSON, TEXT | {"text": "字" * 6000})
    with pytest.raises(Refused, match="消息太长"):
        await platform.send(await asked(dingtalk), TEXT | {"text": "字" * 7000})
    await stranger.close()


@pytest.mark.parametrize(
    ("field", "error", "words"),
    [("invalidStaffIdList", Refused, "没有这个人"), ("flowControlledStaffIdList", TryLater, "暂时不送")],
)
async def test_http_200_that_rejects_the_person_is_not_a_success(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, field: str, error: type[Exception], words: str
) -> None:
    dingtalk.plan(BATCH_SEND, Planned(200, {"processQueryKey": "k", field: ["u1"]}))
    with pytest.raises(error, match=words):
        await platform.send(PERSON, TEXT)


# --- tokens and trouble ---


async def test_an_expired_token_is_renewed_once_for_all(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await platform.send(PERSON, TEXT)
    dingtalk.cloud.tokens.clear()
    await asyncio.gather(*(platform.send(PERSON, TEXT) for _ in range(5)))
    assert len(dingtalk.called(TOKEN)) == 2
    assert len(markdown(dingtalk)) == 6


async def test_a_token_that_is_never_accepted_is_not_renewed_for_ever(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(BATCH_SEND, *[Planned(400, {"code": "InvalidAuthentication"})] * 5)
    with pytest.raises(TryLater):
        await platform.send(PERSON, TEXT)
    assert len(dingtalk.called(BATCH_SEND)) == 2


async def test_wrong_credentials_are_said_and_not_hammered(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    platform = DingtalkPlatform(dingtalk.settings(client_secret="wrong"), http)
    for _ in range(3):
        with pytest.raises(TryLater, match="Client ID 或 Secret 不对"):
            await platform.send(PERSON, TEXT)
    assert len(dingtalk.called(TOKEN)) == 1


@pytest.mark.parametrize(
    "answer", [QPS, Planned(200, "<html>请求过于频繁</html>"), Planned(500, {"code": "system.busy"})]
)
async def test_throttling_is_for_later(dingtalk: FakeDingtalk, platform: DingtalkPlatform, answer: Planned) -> None:
    dingtalk.plan(BATCH_SEND, answer)
    with pytest.raises(TryLater):
        await platform.send(PERSON, TEXT)
    await platform.send(PERSON, TEXT)
    assert markdown(dingtalk) == ["你好"]


LOST = Planned(200, {}, delay=0.8, after_work=True)


@pytest.mark.parametrize("lost", [LOST, Planned(504, "<html>gateway</html>")])
async def test_text_whose_answer_is_lost_is_unknown(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, lost: Planned
) -> None:
    for path, address in [(WEBHOOK, await asked(dingtalk)), (BATCH_SEND, PERSON), (GROUP_SEND, GROUP)]:
        dingtalk.plan(path, lost)
        with pytest.raises(Unknown, match="可能已经送达"):
            await platform.send(address, TEXT)


async def test_what_never_left_may_be_sent_again(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    nowhere = "http://127.0.0.1:1"
    platform = DingtalkPlatform(dingtalk.settings(base_url=nowhere, oapi_base_url=nowhere), http)
    with pytest.raises(TryLater, match="连不上钉钉"):
        await platform.send(PERSON, TEXT)
    hints = {"sessionWebhook": f"{nowhere}/x", "sessionWebhookExpiredTime": time.time() * 2000}
    with pytest.raises(TryLater, match="连不上钉钉"):
        await platform.send(replace(PERSON, hints=hints), TEXT)


async def test_no_token_secret_webhook_or_text_is_logged(
    dingtalk: FakeDingtalk,
    platform: DingtalkPlatform,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in QUIET:  # as the program's own set-up does
        caplog.set_level(logging.WARNING, logger=name)
    caplog.set_level(logging.DEBUG)
    dingtalk.plan(WEBHOOK, Planned(200, {"errcode": 300001}))
    dingtalk.plan(BATCH_SEND, QPS, Planned(400, {"code": "InvalidAuthentication", "message": SECRET}))
    address = await asked(dingtalk)
    with pytest.raises(TryLater):
        await platform.send(address, TEXT | {"text": "会员电话号码"})
    await platform.send(address, TEXT | {"text": "会员电话号码"})
    printed = caplog.text + "".join(capsys.readouterr())
    assert "dingtalk.refused" in printed
    for secret in (SECRET, address.hints["sessionWebhook"], *dingtalk.cloud.tokens, "会员电话号码"):
        assert secret not in printed


# --- cards ---


async def send_card(platform: DingtalkPlatform, address: Address = PERSON, ref: CardRef = REF) -> CardRef:
    """Send the plan card and return its ref with what the receipt says a later update needs."""
    [body] = platform.render(PLAN, ref)
    receipt = await platform.send(address, body, ref)
    return CardRef(ref.public_id, receipt.handle)


async def test_a_card_reaches_the_person_with_buttons_that_come_back(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    await send_card(platform)
    [call] = dingtalk.called(DELIVER)
    assert (call.body["callbackType"], call.body["outTrackId"]) == ("STREAM", "c-1")
    assert call.body["openSpaceId"] == "dtv1.card//IM_ROBOT.u1"
    [button] = json.loads(params(dingtalk)["sys_full_json_obj"])["msgButtons"]
    assert (button["id"], button["text"]) == ("launch", "上架")


async def test_a_card_in_a_group_is_on_every_phone_and_updated_on_every_phone(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    ref = await send_card(platform, GROUP)
    await platform.update_card(GROUP, DONE, ref)
    for user in ("u1", "u2"):
        assert "券 123" in params(dingtalk, user)["markdown"]
        assert json.loads(params(dingtalk, user)["sys_full_json_obj"]) == {"msgButtons": []}


async def test_an_update_names_its_variables_so_that_the_others_stay(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    await platform.update_card(PERSON, DONE, await send_card(platform))
    [call] = dingtalk.called(CARD)
    assert call.body["cardUpdateOptions"] == {"updateCardDataByKey": True}
    assert call.body["cardData"]["cardParamMap"].keys() == {"title", "markdown", "tips", "sys_full_json_obj"}


async def test_a_card_whose_answer_was_lost_is_sent_again_and_is_there_once(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(DELIVER, LOST)
    with pytest.raises(TryLater):
        await send_card(platform)
    assert (await send_card(platform)).handle == {}
    assert len(dingtalk.screen("u1")) == 1


def undelivered() -> Planned:
    result = {
        "outTrackId": "c-1",
        "deliverResults": [{"spaceType": "IM_ROBOT", "success": False, "errorMsg": "blocked"}],
    }
    return Planned(200, {"success": True, "result": result})


@pytest.mark.parametrize(
    "refusal",
    [
        undelivered(),
        Planned(400, {"code": "param.templateNotExist"}),
        Planned(400, {"code": "param.templateUnpublished"}),
        Planned(403, {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied"}),
    ],
)
async def test_a_card_that_cannot_be_shown_arrives_as_markdown(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, refusal: Planned
) -> None:
    dingtalk.plan(DELIVER, refusal)
    ref = await send_card(platform)
    assert ref.handle == {"fallback": "markdown"}
    [text] = markdown(dingtalk)
    assert text.endswith("回复「上架」即可。")
    with pytest.raises(Refused, match="以文字发出"):
        await platform.update_card(PERSON, DONE, ref)


async def test_a_template_of_another_app_falls_back_too(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    platform = DingtalkPlatform(dingtalk.settings(card_template_id="elsewhere.schema"), http)
    assert (await send_card(platform)).handle == {"fallback": "markdown"}


async def test_a_refused_card_whose_markdown_must_wait_is_not_taken_for_delivered(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(DELIVER, undelivered(), Planned(400, {"code": "param.cardAlreadyExist"}))
    dingtalk.plan(BATCH_SEND, QPS)
    with pytest.raises(TryLater):
        await send_card(platform)
    assert (await send_card(platform)).handle == {"fallback": "markdown"}
    assert len(markdown(dingtalk)) == 1


async def test_a_throttled_card_is_for_later_and_not_turned_into_text(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(DELIVER, QPS, QPS)
    for _ in range(2):
        with pytest.raises(TryLater):
            await send_card(platform)
    await send_card(platform)
    assert [bubble["msgtype"] for bubble in dingtalk.screen("u1")] == ["card"]


async def test_a_card_for_an_outsider_is_text(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    outsider = Address("dingtalk", "cidOut==", "", hints=(await asked(dingtalk)).hints)
    assert (await send_card(platform, outsider)).handle == {"fallback": "markdown"}
    assert dingtalk.called(DELIVER) == []


async def test_updating_a_card_that_does_not_exist_is_refused(platform: DingtalkPlatform) -> None:
    with pytest.raises(Refused, match="卡片不存在"):
        await platform.update_card(PERSON, DONE, CardRef("c-none"))


def test_only_cards_may_be_repeated(platform: DingtalkPlatform) -> None:
    assert platform.may_repeat(PLAN)
    assert not platform.may_repeat(Text("你好"))
