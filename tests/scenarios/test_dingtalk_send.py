"""Answers and pushes over real HTTP to the fake DingTalk, and everything it can say to them."""

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
from sqlalchemy import select

from bot.logs import QUIET
from bot.platforms.base import RateLimited, Receipt, Refused, TryLater, Unknown
from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk.robot import DingtalkRobot
from bot.platforms.dingtalk.wire import RobotMessage
from bot.seal import Sealer
from db.engine import Database
from db.models import Usage
from handlers.messages import Address
from tests.fakes.dingtalk import (
    BATCH_SEND,
    GROUP_SEND,
    SECRET,
    TOKEN,
    WEBHOOK,
    FakeDingtalk,
    Planned,
    fake_dingtalk,
)
from tests.rows import small_chain
from tests.services import services_of

PERSON = Address("dingtalk", "user:u1", "u1")
GROUP = Address("dingtalk", "cidGroup==", "u1", group=True)
TEXT = {"type": "markdown", "title": "你好", "text": "你好"}
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


# --- text ---


async def test_an_answer_goes_by_the_session_webhook_without_a_token(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    await platform.send(await asked(dingtalk), dict(TEXT))
    assert markdown(dingtalk) == ["你好"]
    assert [call.path for call in dingtalk.calls] == [WEBHOOK]


async def test_an_answer_in_a_group_is_seen_by_all(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await platform.send(await asked(dingtalk, group="cidGroup=="), dict(TEXT))
    assert (markdown(dingtalk, "u1"), markdown(dingtalk, "u2")) == (["你好"], ["你好"])


async def test_a_push_to_a_person_goes_by_the_robot_api(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    receipt = await platform.send(PERSON, dict(TEXT))
    [call] = dingtalk.called(BATCH_SEND)
    assert (call.body["userIds"], call.body["robotCode"]) == (["u1"], "dingfake")
    assert json.loads(call.body["msgParam"]) == {"title": "你好", "text": "你好"}
    assert [shown.message_id for shown in dingtalk.phones.screen("dingtalk", "u1")] == [receipt.message_id]


async def test_a_push_to_a_group_goes_to_the_group(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    receipt = await platform.send(GROUP, dict(TEXT))
    assert receipt.message_id
    assert len(dingtalk.called(GROUP_SEND)) == 1
    assert (markdown(dingtalk, "u1"), markdown(dingtalk, "u2")) == (["你好"], ["你好"])


@pytest.mark.parametrize(("seconds_left", "paths"), [(119, [TOKEN, BATCH_SEND]), (125, [WEBHOOK])])
async def test_a_webhook_close_to_its_end_is_not_used(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, seconds_left: int, paths: list[str]
) -> None:
    expires = int((time.time() + seconds_left) * 1000)
    await platform.send(await asked(dingtalk, sessionWebhookExpiredTime=expires), dict(TEXT))
    assert [call.path for call in dingtalk.calls] == paths


@pytest.mark.parametrize(("group", "path"), [("", BATCH_SEND), ("cidGroup==", GROUP_SEND)])
async def test_a_spent_webhook_is_followed_by_the_robot_api(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, group: str, path: str
) -> None:
    dingtalk.plan(WEBHOOK, Planned(200, {"errcode": 300001, "errmsg": "session 不存在"}))
    await platform.send(await asked(dingtalk, group=group), dict(TEXT))
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
    robot = DingtalkRobot(dingtalk.settings(), DingtalkCalls(dingtalk.settings(), http, time.time))
    with pytest.raises(Refused, match="回复地址不是钉钉的"):
        await robot.reply(webhook, {"msgtype": "text"})


async def test_an_outsider_is_answered_by_webhook_and_unreachable_without(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    outsider = Address("dingtalk", "cidOut==", "", hints=(await asked(dingtalk)).hints)
    await platform.send(outsider, dict(TEXT))
    assert markdown(dingtalk) == ["你好"]
    with pytest.raises(Refused, match="不知道发给谁"):
        await platform.send(replace(outsider, hints={}), dict(TEXT))


async def test_a_message_for_many_is_one_call_and_tells_each_persons_outcome(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.cloud.book.invisible.add("u3")
    dingtalk.cloud.book.flooded.add("u4")
    people = [replace(PERSON, user_id=f"u{n}", conversation=f"user:u{n}") for n in range(20)]
    outcomes = dict(await platform.send_many(people, dict(TEXT), key="push:1:0"))
    [call] = dingtalk.called(BATCH_SEND)
    assert len(call.body["userIds"]) == 20
    assert isinstance(outcomes.pop("u3"), Refused)
    assert isinstance(outcomes.pop("u4"), RateLimited)
    assert {type(outcome) for outcome in outcomes.values()} == {Receipt}
    assert (markdown(dingtalk, "u3"), markdown(dingtalk, "u4"), markdown(dingtalk, "u5")) == ([], [], ["你好"])


async def test_a_call_for_many_that_fails_fails_for_all_of_them(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(BATCH_SEND, QPS)
    with pytest.raises(RateLimited):
        await platform.send_many([PERSON, replace(PERSON, user_id="u2")], dict(TEXT))


async def test_21_people_do_not_fit_into_a_call(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    robot = DingtalkRobot(dingtalk.settings(), DingtalkCalls(dingtalk.settings(), http, time.time))
    assert DingtalkPlatform.batch == 20
    with pytest.raises(ValueError, match="21 people"):
        await robot.send_to_users([f"u{n}" for n in range(21)], RobotMessage("sampleText", {"content": "你好"}))


async def test_the_app_may_call_twenty_times_a_second_and_waits_then(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    outcomes = await asyncio.gather(*(platform.send(PERSON, dict(TEXT)) for _ in range(22)), return_exceptions=True)
    limited = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    assert limited
    assert "限流" in limited[0].reason


async def test_a_private_answer_to_a_group_goes_to_the_person_alone(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    alone = platform.direct(await asked(dingtalk, group="cidGroup=="))
    assert alone == Address("dingtalk", "user:u1", "u1")
    await platform.send(alone, dict(TEXT))
    assert (markdown(dingtalk, "u1"), markdown(dingtalk, "u2")) == (["你好"], [])
    assert platform.direct(replace(GROUP, user_id="")) is None


async def test_the_cloud_refuses_what_dingtalk_would(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    stranger = DingtalkPlatform(dingtalk.settings(robot_code="other"))
    with pytest.raises(Refused, match="没有这个机器人"):
        await stranger.send(PERSON, dict(TEXT))
    with pytest.raises(Refused, match="消息太长"):
        await platform.send(PERSON, TEXT | {"text": "字" * 6000})
    with pytest.raises(Refused, match="消息太长"):
        await platform.send(await asked(dingtalk), TEXT | {"text": "字" * 7000})
    await stranger.close()


@pytest.mark.parametrize(
    ("field", "error", "words"),
    [("invalidStaffIdList", Refused, "没有这个人"), ("flowControlledStaffIdList", RateLimited, "暂时不送")],
)
async def test_http_200_that_rejects_the_person_is_not_a_success(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, field: str, error: type[Exception], words: str
) -> None:
    dingtalk.plan(BATCH_SEND, Planned(200, {"processQueryKey": "k", field: ["u1"]}))
    with pytest.raises(error, match=words):
        await platform.send(PERSON, dict(TEXT))


# --- tokens and trouble ---


async def test_an_expired_token_is_renewed_once_for_all(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await platform.send(PERSON, dict(TEXT))
    dingtalk.cloud.tokens.clear()
    await asyncio.gather(*(platform.send(PERSON, dict(TEXT)) for _ in range(5)))
    assert len(dingtalk.called(TOKEN)) == 2
    assert len(markdown(dingtalk)) == 6


async def test_a_token_that_is_never_accepted_is_not_renewed_for_ever(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(BATCH_SEND, *[Planned(400, {"code": "InvalidAuthentication"})] * 5)
    with pytest.raises(TryLater):
        await platform.send(PERSON, dict(TEXT))
    assert len(dingtalk.called(BATCH_SEND)) == 2


async def test_wrong_credentials_are_said_and_not_hammered(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    platform = DingtalkPlatform(dingtalk.settings(client_secret="wrong"), http)
    for _ in range(3):
        with pytest.raises(TryLater, match="Client ID 或 Secret 不对"):
            await platform.send(PERSON, dict(TEXT))
    assert len(dingtalk.called(TOKEN)) == 1


@pytest.mark.parametrize(
    "answer", [QPS, Planned(200, "<html>请求过于频繁</html>"), Planned(500, {"code": "system.busy"})]
)
async def test_throttling_is_for_later(dingtalk: FakeDingtalk, platform: DingtalkPlatform, answer: Planned) -> None:
    dingtalk.plan(BATCH_SEND, answer)
    with pytest.raises(TryLater):
        await platform.send(PERSON, dict(TEXT))
    await platform.send(PERSON, dict(TEXT))
    assert markdown(dingtalk) == ["你好"]


LOST = Planned(200, {}, delay=0.8, after_work=True)


@pytest.mark.parametrize("lost", [LOST, Planned(504, "<html>gateway</html>")])
async def test_text_whose_answer_is_lost_is_unknown(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, lost: Planned
) -> None:
    for path, address in [(WEBHOOK, await asked(dingtalk)), (BATCH_SEND, PERSON), (GROUP_SEND, GROUP)]:
        dingtalk.plan(path, lost)
        with pytest.raises(Unknown, match="可能已经送达"):
            await platform.send(address, dict(TEXT))


async def test_what_never_left_may_be_sent_again(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    nowhere = "http://127.0.0.1:1"
    platform = DingtalkPlatform(dingtalk.settings(base_url=nowhere, oapi_base_url=nowhere), http)
    with pytest.raises(TryLater, match="连不上钉钉"):
        await platform.send(PERSON, dict(TEXT))
    hints = {"sessionWebhook": f"{nowhere}/x", "sessionWebhookExpiredTime": time.time() * 2000}
    with pytest.raises(TryLater, match="连不上钉钉"):
        await platform.send(replace(PERSON, hints=hints), dict(TEXT))


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


# --- what is shared between replicas ---


async def test_metered_calls_are_counted_and_tokens_and_throttled_ones_are_not(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database
) -> None:
    await small_chain(database)
    services = services_of(database)
    platform = DingtalkPlatform(dingtalk.settings(), http, services=services)
    dingtalk.plan(BATCH_SEND, QPS)
    with pytest.raises(RateLimited):
        await platform.send(PERSON, dict(TEXT))
    await platform.send(PERSON, dict(TEXT))
    await platform.send(GROUP, dict(TEXT))
    await platform.send(await asked(dingtalk, sessionWebhook=""), dict(TEXT))
    await services.usage.flush()
    assert await usage(database) == {"calls": 3}


async def test_a_spent_quota_is_for_the_operator_and_not_for_later(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    dingtalk.cloud.door.quota_spent = True
    with pytest.raises(Refused, match="额度用完了"):
        await platform.send(PERSON, dict(TEXT))
    assert "ApiCountLimitForOrg" in capsys.readouterr().out


async def test_a_sealed_webhook_is_opened_when_it_is_used(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database
) -> None:
    await small_chain(database)
    services = services_of(database)
    platform = DingtalkPlatform(dingtalk.settings(), http, services=services)
    address = await asked(dingtalk)
    sealed = services.sealer.seal(address.hints["sessionWebhook"])
    await platform.send(replace(address, hints={**address.hints, "sessionWebhook": sealed}), dict(TEXT))
    assert [call.path for call in dingtalk.calls] == [WEBHOOK]


async def test_a_webhook_sealed_with_another_key_is_not_used(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database
) -> None:
    await small_chain(database)
    platform = DingtalkPlatform(dingtalk.settings(), http, services=services_of(database))
    address = await asked(dingtalk)
    other = Sealer("another key").seal(address.hints["sessionWebhook"])
    await platform.send(replace(address, hints={**address.hints, "sessionWebhook": other}), dict(TEXT))
    assert [call.path for call in dingtalk.calls] == [TOKEN, BATCH_SEND]


async def usage(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return {row.what: row.count for row in await session.scalars(select(Usage))}
