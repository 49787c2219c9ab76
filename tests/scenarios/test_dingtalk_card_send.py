"""Cards over real HTTP to the fake DingTalk: delivered once, changed in place, said in words where refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.platforms.base import CardRef, RateLimited, Refused, TryLater, Unknown
from bot.platforms.dingtalk.decode import decode_press
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.sandbox.dingtalk_frames import card_press
from db.cards import new_card
from db.engine import Database
from db.models import CardRow
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Button, Card, Choice, Option, Press, Text
from tests.fakes.dingtalk import CARD, DELIVER, FakeDingtalk, Planned, fake_dingtalk
from tests.rows import NOW, small_chain
from tests.services import services_of

PERSON = Address("dingtalk", "user:u1", "u1")
GROUP = Address("dingtalk", "cidGroup==", "u1", group=True)
REF = CardRef("c-1")
PLAN = Card("plan", "促复购方案", "满200减40", buttons=(Button("launch", "上架", "execute.launch", primary=True),))
DONE = Card("plan", "促复购方案", "满200减40", state="王店长 10:32 已上架 · 券 123")
QPS = Planned(403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "message": "slow", "requestid": "r"})
LOST = Planned(200, {}, delay=0.8, after_work=True)


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


def markdown(dingtalk: FakeDingtalk, user_id: str = "u1") -> list[str]:
    return [bubble["text"] for bubble in dingtalk.screen(user_id) if bubble["msgtype"] == "markdown"]


def params(dingtalk: FakeDingtalk, user_id: str = "u1") -> dict[str, str]:
    [card] = [bubble for bubble in dingtalk.screen(user_id) if bubble["msgtype"] == "card"]
    found: dict[str, str] = card["cardParamMap"]
    return found


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


async def test_a_card_whose_answer_was_lost_is_there_once_and_is_not_called_delivered(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    dingtalk.plan(DELIVER, LOST)
    with pytest.raises(TryLater):
        await send_card(platform)
    with pytest.raises(Unknown, match="是否送达未知"):
        await send_card(platform)
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


# --- a process that dies between "not delivered" and the words ---


async def card_row(database: Database) -> None:
    await small_chain(database)
    async with database.write() as session:
        content, address = dump_part(PLAN), dump_address(GROUP)
        await new_card(
            session, tenant_id=1, public_id="c-1", platform="dingtalk", content=content, address=address, now=NOW
        )


async def ref_of(database: Database) -> CardRef:
    """What delivery reads before each attempt."""
    async with database.read() as session:
        row = (await session.scalars(select(CardRow))).one()
        return CardRef(row.public_id, row.handle)


async def test_a_card_not_delivered_is_said_in_words_by_the_process_that_comes_after(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database
) -> None:
    await card_row(database)
    elsewhere = replace(GROUP, conversation="cidNotThere==")
    first = DingtalkPlatform(dingtalk.settings(), http, services=services_of(database, owner="first"))
    dingtalk.plan("/v1.0/robot/groupMessages/send", QPS)
    with pytest.raises(RateLimited):
        await send_card(first, elsewhere, await ref_of(database))

    dingtalk.cloud.add_group("cidNotThere==", "新群", ("u1",))
    second = DingtalkPlatform(dingtalk.settings(), http, services=services_of(database, owner="second"))
    assert (await send_card(second, elsewhere, await ref_of(database))).handle == {"fallback": "markdown"}
    assert len(dingtalk.called(DELIVER)) == 1
    assert markdown(dingtalk)[0].endswith("回复「上架」即可。")


async def test_without_a_note_of_it_the_card_is_unknown_and_never_delivered(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient
) -> None:
    elsewhere = replace(GROUP, conversation="cidNotThere==")
    dingtalk.plan("/v1.0/robot/groupMessages/send", QPS)
    with pytest.raises(RateLimited):
        await send_card(DingtalkPlatform(dingtalk.settings(), http), elsewhere)
    with pytest.raises(Unknown):
        await send_card(DingtalkPlatform(dingtalk.settings(), http), elsewhere)


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
    session = dingtalk.cloud.open_session(dingtalk.base, "u1")
    hints = {"sessionWebhook": session.url, "sessionWebhookExpiredTime": session.expires_ms}
    outsider = Address("dingtalk", "cidOut==", "", hints=hints)
    assert (await send_card(platform, outsider)).handle == {"fallback": "markdown"}
    assert dingtalk.called(DELIVER) == []


async def test_updating_a_card_that_does_not_exist_is_refused(platform: DingtalkPlatform) -> None:
    with pytest.raises(Refused, match="卡片不存在"):
        await platform.update_card(PERSON, DONE, CardRef("c-none"))


async def test_only_cards_may_be_repeated(platform: DingtalkPlatform) -> None:
    assert await platform.may_repeat(PLAN, PERSON, "k")
    assert not await platform.may_repeat(Text("你好"), PERSON, "k")


# --- choices, links, templates ---

HOW = Choice("how", "怎么联系", (Option("call", "打电话"), Option("visit", "上门")))
ASKED = Card(
    "task", "跟进王女士", choices=(HOW,), buttons=(Button("submit", "提交", "task.done"),), link="https://x.cn/1"
)


def buttons(dingtalk: FakeDingtalk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(params(dingtalk)["sys_full_json_obj"])["msgButtons"]
    return found


async def test_a_choice_of_few_is_a_button_for_each_and_its_press_says_which(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    [body] = platform.render(ASKED, REF)
    await platform.send(PERSON, body, REF)
    assert [button["text"] for button in buttons(dingtalk)] == ["打电话", "上门", "查看详情"]
    key = buttons(dingtalk)[1]["id"]
    update = decode_press(card_press("u1", "c-1", f"{key}1", "cid1"), "demo", NOW, "frame")
    assert update.press == Press("c-1", "submit", {"how": ("visit",)})


async def test_a_link_opens_the_page(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    [body] = platform.render(ASKED, REF)
    await platform.send(PERSON, body, REF)
    assert buttons(dingtalk)[-1] == {"text": "查看详情", "color": "gray", "url": "https://x.cn/1"}


async def test_a_template_of_ones_own_gets_the_same_variables_and_a_button_group(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient
) -> None:
    dingtalk.cloud.cards.templates.add("mine.schema")
    platform = DingtalkPlatform(dingtalk.settings(card_template_id="mine.schema"), http)
    ref = await send_card(platform)
    assert params(dingtalk).keys() == {"title", "markdown", "tips", "sys_full_json_obj"}
    [button] = json.loads(params(dingtalk)["sys_full_json_obj"])["btns"]
    assert (button["text"], button["status"], button["event"]["type"]) == ("上架", "normal", "sendCardRequest")
    assert button["event"]["params"] == {"actionId": "launch", "params": {"action": "launch"}}
    await platform.update_card(PERSON, DONE, ref)
    assert json.loads(params(dingtalk)["sys_full_json_obj"]) == {"msgButtons": [], "btns": []}


async def test_a_card_that_was_called_by_http_names_its_route(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
    await send_card(DingtalkPlatform(dingtalk.settings(stream=False), http))
    [call] = dingtalk.called(DELIVER)
    assert (call.body["callbackType"], call.body["callbackRouteKey"]) == ("HTTP", "daogou-")
