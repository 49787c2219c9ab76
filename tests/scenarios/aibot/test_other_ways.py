"""What its stream does not take goes by the response_url, once, or by the tenant's app."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.platforms.aibot.other_ways import NO_WAY, PERHAPS
from bot.platforms.aibot.response_url import NO_ANSWER
from bot.platforms.base import Receipt, Refused, TryLater, Unknown
from bot.platforms.wecom.platform import WecomPlatform
from db.engine import Database
from handlers.codec import load_update
from handlers.messages import Address, File, Picture, Text
from tests.fakes.aibot import DROP, HANG_UP, FakeAibot
from tests.fakes.wecom import FakeWecom
from tests.scenarios.aibot.stage import ON_SQLITE, Clock, Stage, bind, finished, stage_of

pytestmark = ON_SQLITE
BUSY = {"errcode": -1, "errmsg": "busy"}
LATE = timedelta(minutes=5, seconds=31)


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    """The company's WeCom with the members boss, lily and zhangsan."""
    async with FakeWecom(lambda: clock().timestamp()).running() as fake:
        yield fake


@pytest.fixture
async def stage_with_app(database: Database, aibot: FakeAibot, clock: Clock, wecom: FakeWecom) -> AsyncIterator[Stage]:
    """A replica whose tenant has an app too."""
    await bind(database)
    app = WecomPlatform(wecom.settings, clock=lambda: clock().timestamp())
    async with stage_of(database, aibot, clock, app=app) as one:
        aibot.target = one.url
        yield one
    await app.close()


async def late(stage: Stage, text: str = "今天有什么券", user: str = "zhangsan", chat: str = "") -> Address:
    """Ask, let the stream's time run out, and return where the answer is to go."""
    said = await stage.aibot.say(user, text, chat=chat)
    stage.clock.now += LATE
    await stage.aibot.poll(said)
    return load_update((await stage.inbox())[-1]).address


async def send(stage: Stage, address: Address, text: str, key: str) -> Receipt:
    (payload,) = stage.platform.render(Text(text))
    return await stage.platform.send(address, payload, key=key)


async def test_the_response_url_is_used_once(stage: Stage) -> None:
    address = await late(stage)
    await send(stage, address, "一", "k1")
    with pytest.raises(Refused, match=NO_WAY):
        await send(stage, address, "二", "k2")
    assert [one.text for one in stage.aibot.responses] == ["一"]


async def test_replicas_use_it_once(database: Database, aibot: FakeAibot, clock: Clock, stage: Stage) -> None:
    address = await late(stage)
    async with stage_of(database, aibot, clock, owner="two") as other:
        await send(stage, address, "一", "k1")
        with pytest.raises(Refused, match=NO_WAY):
            await send(other, address, "二", "k2")
    assert len(aibot.responses) == 1


async def test_after_an_hour_it_is_not_tried(stage: Stage) -> None:
    address = await late(stage)
    stage.clock.now += timedelta(hours=1)
    with pytest.raises(Refused, match=NO_WAY):
        await send(stage, address, "一", "k1")
    assert stage.aibot.responses == []


@pytest.mark.parametrize("trouble", [BUSY, {"errcode": 45009}])
async def test_what_wecom_may_take_later_leaves_it_unused(stage: Stage, trouble: dict[str, Any]) -> None:
    address = await late(stage)
    stage.aibot.fail = [trouble]
    with pytest.raises(TryLater):
        await send(stage, address, "一", "k1")
    await send(stage, address, "一", "k1")
    assert [one.text for one in stage.aibot.responses] == ["一"]


@pytest.mark.parametrize("trouble", [DROP, HANG_UP])
async def test_without_an_answer_nobody_knows_and_it_is_not_said_twice(stage: Stage, trouble: str) -> None:
    address = await late(stage)
    stage.aibot.fail = [trouble]
    with pytest.raises(Unknown, match=NO_ANSWER):
        await send(stage, address, "一", "k1")


async def test_a_repeat_after_an_interruption_does_not_go_another_way(stage_with_app: Stage) -> None:
    stage = stage_with_app
    address = await late(stage)
    stage.aibot.fail = [DROP]
    with pytest.raises(Unknown):
        await send(stage, address, "一", "k1")
    with pytest.raises(Unknown, match=PERHAPS):
        await send(stage, address, "一", "k1")
    assert len(stage.aibot.responses) == 1


@pytest.mark.parametrize("answer", ["<html>", "[]", '{"errmsg": "no code"}'])
async def test_an_answer_that_cannot_be_read_is_unknown(stage: Stage, answer: str) -> None:
    address = await late(stage)
    stage.aibot.fail = [{"raw": answer}]
    with pytest.raises(Unknown):
        await send(stage, address, "一", "k1")


async def test_what_the_response_url_refuses_goes_by_the_app(stage_with_app: Stage, wecom: FakeWecom) -> None:
    address = await late(stage_with_app)
    stage_with_app.aibot.fail = [{"errcode": 40029, "errmsg": "invalid"}]
    await send(stage_with_app, address, "一", "k1")
    assert [payload["text"]["content"] for payload in wecom.screen("zhangsan")] == ["一"]


async def test_the_rest_of_a_long_answer_goes_by_the_app(stage_with_app: Stage, wecom: FakeWecom) -> None:
    address = await late(stage_with_app)
    await send(stage_with_app, address, "一", "k1")
    await send(stage_with_app, address, "二", "k2")
    assert [one.text for one in stage_with_app.aibot.responses] == ["一"]
    assert [payload["text"]["content"] for payload in wecom.screen("zhangsan")] == ["二"]


async def test_a_late_card_goes_by_the_app_with_its_buttons(stage_with_app: Stage, wecom: FakeWecom) -> None:
    stage = stage_with_app
    await late(stage, "方案", chat="C1")
    await stage.run()
    (payload,) = wecom.screen("zhangsan")
    assert payload["template_card"]["button_list"][0]["text"] == "上架"
    assert stage.aibot.responses == []


async def test_a_late_card_without_an_app_goes_by_the_response_url_in_a_single_chat(stage: Stage) -> None:
    await late(stage, "方案")
    await stage.run()
    (response,) = stage.aibot.responses
    assert response.body["template_card"]["button_list"][0]["key"] == "launch"


async def test_a_late_card_without_an_app_is_words_in_a_group(stage: Stage) -> None:
    await late(stage, "方案", chat="C1")
    await stage.run()
    assert [(one.chat, one.text) for one in stage.aibot.responses] == [("C1", "**方案**\n也可以直接回复：上架、不行")]


async def test_a_file_goes_by_the_app_and_the_stream_says_so(stage_with_app: Stage, wecom: FakeWecom) -> None:
    stage = stage_with_app
    stage.saying.parts = (File("周报.pdf", base64.b64encode(b"%PDF-1.7 and more").decode()),)
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券", chat="C1"))
    assert said.text == "文件「周报.pdf」已经单独发给您了。"
    assert len(wecom.screen("zhangsan")) == 1


async def test_a_file_without_an_app_is_owned_up_to(stage: Stage) -> None:
    stage.saying.parts = (File("周报.pdf", base64.b64encode(b"%PDF-1.7 and more").decode()),)
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert "发不了" in said.text


async def test_a_second_card_does_not_fit_into_one_stream(stage_with_app: Stage, wecom: FakeWecom) -> None:
    stage = stage_with_app
    said = await finished(stage, await stage.aibot.say("zhangsan", "方案"))
    address = load_update((await stage.inbox())[0]).address
    (picture,) = stage.platform.render(Picture("a.png", base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(), "图"))
    await stage.platform.send(address, picture, key="k9")
    assert said.card is not None
    assert len(wecom.screen("zhangsan")) == 1


async def test_the_person_of_a_group_is_reached_by_the_app_unless_their_id_is_encrypted(stage_with_app: Stage) -> None:
    direct = stage_with_app.platform.direct
    assert direct(Address("aibot", "chat:C1", "zhangsan", group=True)) == Address("wecom", "user:zhangsan", "zhangsan")
    assert direct(Address("aibot", "chat:C1", "woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA", group=True)) is None


async def test_what_answers_nothing_goes_by_the_app_or_not_at_all(
    stage: Stage, database: Database, clock: Clock, wecom: FakeWecom
) -> None:
    first = Address("aibot", "user:lily", "lily")
    with pytest.raises(Refused, match=NO_WAY):
        await send(stage, first, "早上好", "k1")
    app = WecomPlatform(wecom.settings, clock=lambda: clock().timestamp())
    async with stage_of(database, stage.aibot, clock, app=app) as other:
        await send(other, first, "早上好", "k1")
    await app.close()
    assert len(wecom.screen("lily")) == 1
