"""The whole DingTalk room: a message in by Stream, Markdown and a card out by HTTP, a press in, the card updated."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.platforms.base import CardRef
from bot.platforms.dingtalk.arrivals import PRESS_TAKEN
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk.stream import DingtalkStream
from bot.sandbox.dingtalk_frames import card_press
from bot.sandbox.dingtalk_gateway import NotConnected
from handlers.messages import Button, Card, Press, Text, Update
from tests.fakes.dingtalk import BATCH_SEND, TOKEN, WEBHOOK, FakeDingtalk, fake_dingtalk, until

PLAN = Card("plan", "促复购方案", "满200减40", buttons=(Button("launch", "上架", "execute.launch", primary=True),))
DONE = Card("plan", "促复购方案", "满200减40", state="王店长 10:32 已上架 · 券 123")


class Room:
    """A stream and a platform of one app, and what arrived."""

    def __init__(self, dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> None:
        self.updates: list[Update] = []
        self.platform = DingtalkPlatform(dingtalk.settings(), http)
        self.stream = DingtalkStream(dingtalk.settings(), "acme", self.receive)

    async def receive(self, update: Update) -> bool:
        self.updates.append(update)
        return True

    async def show(self, update: Update, part: Text | Card, ref: CardRef | None = None) -> None:
        for body in self.platform.render(part, ref):
            await self.platform.send(update.address, body, ref)


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        fake.cloud.add_group("cidGroup==", "售后群", ("u1", "u2"))
        yield fake


@pytest.fixture
async def room(dingtalk: FakeDingtalk) -> AsyncIterator[Room]:
    async with httpx.AsyncClient() as http:
        made = Room(dingtalk, http)
        made.stream.start()
        await dingtalk.connected()
        yield made
        await made.stream.stop()


async def test_a_question_is_answered_on_the_phone_it_came_from(dingtalk: FakeDingtalk, room: Room) -> None:
    await dingtalk.cloud.say("u1", "最近7天GMV")
    [update] = room.updates
    await room.show(update, Text("最近7天 GMV **12,345**"))
    assert [bubble["text"] for bubble in dingtalk.screen("u1")] == ["最近7天 GMV **12,345**"]
    assert dingtalk.called(WEBHOOK)
    assert not dingtalk.called(TOKEN)


async def test_a_question_in_a_group_is_answered_in_the_group(dingtalk: FakeDingtalk, room: Room) -> None:
    await dingtalk.cloud.say("u1", "最近7天GMV", group="cidGroup==")
    [update] = room.updates
    assert (update.text, update.address.group, update.address.conversation) == ("最近7天GMV", True, "cidGroup==")
    await room.show(update, Text("12,345"))
    assert [len(dingtalk.screen(user)) for user in ("u1", "u2")] == [1, 1]


async def test_a_press_comes_back_and_the_card_changes_in_place(dingtalk: FakeDingtalk, room: Room) -> None:
    await dingtalk.cloud.say("u1", "做一个促复购活动")
    await room.show(room.updates[0], PLAN, CardRef("c-1"))
    ack = await dingtalk.cloud.press("u1", "c-1", "launch")
    pressed = room.updates[1]
    assert (pressed.press, pressed.address.user_id) == (Press("c-1", "launch"), "u1")
    assert (ack["code"], json.loads(ack["data"])) == (200, {"response": PRESS_TAKEN})
    await room.platform.update_card(pressed.address, DONE, CardRef("c-1"))
    [card] = dingtalk.screen("u1")
    assert "已上架 · 券 123" in card["cardParamMap"]["markdown"]


PRIVATE = {"cardPrivateData": {"actionIds": ["launch0"], "params": {}}}


@pytest.mark.parametrize(
    ("fields", "button"),
    [
        ({"value": ""}, "launch"),
        ({"content": "", "value": json.dumps(PRIVATE)}, "launch0"),
        ({"content": PRIVATE}, "launch0"),
        ({"content": "{}", "value": "{}", "actionId": "launch"}, "launch"),
    ],
)
async def test_presses_in_every_shape_seen(
    dingtalk: FakeDingtalk, room: Room, fields: dict[str, Any], button: str
) -> None:
    await dingtalk.cloud.say("u1", "做一个促复购活动")
    await room.show(room.updates[0], PLAN, CardRef("c-1"))
    await dingtalk.cloud.press("u1", "c-1", "launch", **fields)
    assert room.updates[1].press == Press("c-1", button)


async def test_a_press_that_comes_twice_in_one_frame_id_has_one_key(dingtalk: FakeDingtalk, room: Room) -> None:
    data = card_press("u1", "c-1", "launch", "cid1")
    for _ in range(2):
        await dingtalk.cloud.push("/v1.0/card/instances/callback", data, message_id="frame-1")
    assert {update.dedupe_key for update in room.updates} == {"press:frame-1"}


async def test_pressing_a_card_that_is_not_on_the_phone_is_impossible(dingtalk: FakeDingtalk, room: Room) -> None:
    await dingtalk.cloud.say("u1", "做一个促复购活动")
    await room.show(room.updates[0], PLAN, CardRef("c-1"))
    with pytest.raises(LookupError):
        await dingtalk.cloud.press("u2", "c-1", "launch")


async def test_saying_something_to_a_bot_that_is_gone_is_an_error(dingtalk: FakeDingtalk, room: Room) -> None:
    await room.stream.stop()
    await until(lambda: not dingtalk.cloud.links)
    with pytest.raises(NotConnected):
        await dingtalk.cloud.say("u1", "你好")


async def test_an_answer_longer_than_a_message_arrives_in_order(dingtalk: FakeDingtalk, room: Room) -> None:
    text = "\n\n".join(f"第{number}段" + "字" * 1000 for number in range(8))
    await dingtalk.cloud.say("u1", "写长一点")
    await room.show(room.updates[0], Text(text))
    assert "\n\n".join(bubble["text"] for bubble in dingtalk.screen("u1")) == text
    assert not dingtalk.called(BATCH_SEND)
