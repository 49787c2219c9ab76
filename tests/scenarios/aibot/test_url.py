"""An aibot that is called at our address: from the encrypted message to the finished stream."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from bot.platforms.aibot.polls import NOT_SENT, NOTHING, SENT_ALONE, SWITCHED, TOO_LONG, UNKNOWN
from bot.platforms.aibot.snapshot import SEE_CARD, WAITING
from db.models import Inbox, Outbox
from handlers.codec import load_update
from handlers.messages import Address, GivenFeedback, Picture, Text
from tests.fakes.aibot import Said
from tests.scenarios.aibot.stage import ON_SQLITE, OPEN, Clock, Stage, finished

pytestmark = ON_SQLITE

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 100).decode()
VECTORS = json.loads((Path(__file__).parents[2] / "fixtures/wecom/vectors.json").read_text("utf-8"))["vectors"]
GROUP = "wrkSFfCgAAxxYYzz01"


async def test_the_admin_page_can_save_the_address(stage: Stage) -> None:
    digits, answered = await stage.aibot.check_url()
    assert answered == digits


async def test_a_message_in_a_group_is_answered_at_once_and_finished_by_a_poll(stage: Stage) -> None:
    said = await stage.aibot.say("ZhangSan", "今天有什么券", chat=GROUP)
    assert (said.text, said.finished) == (WAITING, False)
    assert said.stream["feedback"] == {"id": said.stream["id"]}

    await finished(stage, said)

    assert (said.text, said.finished) == ("今天有两张券。", True)
    assert stage.saying.asked == ["今天有什么券"]
    assert await stage.outbox() == [("aibot", "sent", None)]


async def test_until_the_answer_is_there_a_poll_shows_that_it_is_awaited(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (WAITING, False)


async def test_an_answer_that_waits_to_be_sent_again_is_waited_for(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.dispatch()
    await stage.aibot.poll(said)
    assert not said.finished
    assert (await finished(stage, said)).text == "今天有两张券。"


async def test_all_parts_are_one_text(stage: Stage) -> None:
    stage.saying.parts = (Text("一"), Text("二"))
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert said.text == "一\n\n二"


async def test_a_message_delivered_twice_has_one_stream_and_one_answer(stage: Stage) -> None:
    said = [await stage.aibot.say("zhangsan", "今天有什么券", id="same") for _ in range(2)]
    await finished(stage, said[0])
    again = await stage.aibot.say("zhangsan", "今天有什么券", id="same")
    assert len({one.stream["id"] for one in (*said, again)}) == 1
    assert (await stage.aibot.follow(again)).text == "今天有两张券。"
    assert len(stage.saying.asked) == 1


async def test_a_stream_nobody_knows_is_finished_kindly(stage: Stage) -> None:
    said = Said("x", "zhangsan", "", 0.0, [{"stream": {"id": "aibot-unknown"}}])
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (UNKNOWN, True)


async def test_a_message_that_is_not_in_the_database_yet_is_waited_for(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    async with stage.database.write() as session:
        await session.execute(delete(Inbox))
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (WAITING, False)
    stage.clock.now += timedelta(minutes=6)
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (UNKNOWN, True)


async def test_polls_after_the_end_see_the_whole_answer(stage: Stage) -> None:
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    for _ in range(3):
        await stage.aibot.poll(said)
        assert (said.text, said.finished) == ("今天有两张券。", True)


async def test_a_long_answer_is_cut_between_characters_and_the_rest_goes_by_the_response_url(stage: Stage) -> None:
    stage.saying.parts = (Text("券" * 8000),)
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    (rest,) = stage.aibot.responses
    assert said.text + rest.text == "券" * 8000
    assert len(said.text.encode()) % 3 == 0


async def test_live_text_grows_until_its_piece_is_there(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    address = load_update((await stage.inbox())[0]).address
    live = stage.platform.live(address, "reply:1:0")
    assert live is not None
    await live.show("今天有")
    await live.show("今天有两张")  # within half a second of the last
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == ("今天有", False)
    assert (await finished(stage, said)).text == "今天有两张券。"


async def test_live_text_is_cut_within_a_stream(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    live = stage.platform.live(load_update((await stage.inbox())[0]).address, "reply:1:0")
    assert live is not None
    await live.show("a" + "券" * 8000)
    await stage.aibot.poll(said)
    assert said.text == "a" + "券" * 6826


async def test_a_card_comes_once_with_the_stream(stage: Stage) -> None:
    said = await finished(stage, await stage.aibot.say("zhangsan", "方案"))
    await stage.aibot.poll(said)
    assert said.card is not None
    assert [button["text"] for button in said.card["button_list"]] == ["上架", "不行"]
    assert said.text == SEE_CARD


async def test_pictures_come_with_the_last_frame(stage: Stage) -> None:
    stage.saying.parts = (Text("看图"), Picture("a.png", PNG, "一张图"))
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert (said.text, [item["image"]["base64"] for item in said.pictures]) == ("看图", [PNG])
    recorded = await stage.way.rows(select(Outbox.payloads))
    assert PNG not in str(recorded)


async def test_what_is_no_picture_is_said_in_words(stage: Stage) -> None:
    stage.saying.parts = (Picture("a.png", base64.b64encode(b"GIF89a").decode(), "一张图"),)
    await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert [one.text for one in stage.aibot.responses] == ["一张图"]


async def test_what_went_to_the_person_alone_is_said_in_the_group(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券", chat=GROUP)
    await stage.dispatch()
    async with stage.database.write() as session:
        row = await session.get_one(Outbox, 1)
        row.platform, row.status = "wecom", "sent"
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (SENT_ALONE, True)


async def test_an_answer_that_could_not_be_sent_is_owned_up_to(stage: Stage) -> None:
    stage.saying.parts = (replace(OPEN, buttons=OPEN.buttons[:1] * 2),)
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert (said.text, said.finished) == (NOT_SENT, True)


async def test_an_answer_of_nothing_ends_the_stream(stage: Stage) -> None:
    stage.saying.parts = ()
    said = await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    assert (said.text, said.finished) == (NOTHING, True)


async def test_before_six_minutes_are_over_the_stream_ends_and_the_answer_comes_by_response_url(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    stage.clock.now += timedelta(minutes=5, seconds=31)
    await stage.aibot.follow(said)
    assert (said.text, said.finished, said.stopped) == (SWITCHED, True, False)

    await stage.run()

    assert [(one.chat, one.text) for one in stage.aibot.responses] == [("zhangsan", "今天有两张券。")]
    assert await stage.outbox() == [("aibot", "sent", None)]


async def test_an_answer_ready_after_the_limit_does_not_wait_for_a_poll_that_may_not_come(stage: Stage) -> None:
    await stage.aibot.say("zhangsan", "今天有什么券")
    stage.clock.now += timedelta(minutes=7)
    await stage.run()
    assert [one.text for one in stage.aibot.responses] == ["今天有两张券。"]


async def test_nothing_is_promised_that_cannot_be_kept(stage: Stage) -> None:
    text = {"msgtype": "text", "text": {"content": "今天有什么券"}}
    said = await stage.aibot.send("zhangsan", {**text, "response_url": "https://evil.invalid/x?response_code=1"})
    stage.clock.now += timedelta(minutes=5, seconds=31)
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (TOO_LONG, True)


async def test_opening_the_chat_greets_once(stage: Stage) -> None:
    assert "我是店小二" in await stage.aibot.enter("zhangsan")
    await stage.run()
    assert [(update["kind"], update["note"]) for update in await stage.inbox()] == [("enter", "enter_chat")]
    assert await stage.outbox() == []


async def test_a_thumb_is_committed_and_answered_with_nothing(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    about = said.stream["feedback"]["id"]
    await stage.aibot.thumb("zhangsan", about, 2, inaccurate_reason_list=[2], content="少一家店")
    (_, update) = await stage.inbox()
    assert load_update(update).feedback == GivenFeedback(about, "bad", "不完整、少一家店")


async def test_a_picture_that_is_sent_is_answered(stage: Stage) -> None:
    said = await stage.aibot.send("zhangsan", {"msgtype": "image", "image": {"url": "https://example.invalid/p"}})
    assert (await finished(stage, said)).finished
    assert (await stage.inbox())[0]["attachments"][0]["kind"] == "image"


async def test_the_response_url_is_sealed_in_the_database_and_in_no_log(stage: Stage) -> None:
    with capture_logs() as logs:
        await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    stored = json.dumps(await stage.inbox())
    assert "response_url" in stored
    assert "response_code" not in stored + str(logs)
    assert "今天有" not in str(logs)


async def test_while_the_database_is_gone_a_poll_goes_on_waiting(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    async with stage.database.writer.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE streams RENAME TO gone")
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == (WAITING, False)
    async with stage.database.writer.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE gone RENAME TO streams")
    assert (await finished(stage, said)).text == "今天有两张券。"


# What is turned away.


def vector(name: str) -> dict[str, Any]:
    return dict(next(one for one in VECTORS if one["id"] == name))


async def post_vector(stage: Stage, name: str, **changes: str) -> tuple[int, str, str]:
    one = vector(name)
    query = {"msg_signature": one["signature"], "timestamp": one["timestamp"], "nonce": one["nonce"], **changes}
    return await stage.aibot.raw(query, json.dumps({"encrypt": one["encrypt"]}).encode())


@pytest.fixture
def at_the_vectors(clock: Clock) -> None:
    clock.now = datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.usefixtures("at_the_vectors")
async def test_the_vectors_are_answered(stage: Stage) -> None:
    status, text, kind = await post_vector(stage, "S5")
    assert (status, kind) == (200, "text/plain")
    assert set(json.loads(text)) == {"encrypt", "msgsignature", "timestamp", "nonce"}
    (update,) = await stage.inbox()
    assert (update["text"], update["address"]["conversation"]) == ("今天有什么券", "chat:C1")
    assert (await post_vector(stage, "S6"))[0] == 200
    assert (await post_vector(stage, "S2"))[0] == 400
    assert (await post_vector(stage, "S4"))[0] == 403
    check = vector("S3")
    query = {"msg_signature": check["signature"], "timestamp": check["timestamp"], "nonce": check["nonce"]}
    assert await stage.aibot.get({**query, "echostr": check["encrypt"]}) == (200, check["plaintext"])
    assert (await stage.aibot.get({**query, "echostr": "AAAA"}))[0] == 403


@pytest.mark.usefixtures("at_the_vectors")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"msg_signature": "0" * 40}, 403),
        ({"timestamp": "1700000001"}, 403),
        ({"timestamp": "1600000000"}, 403),
        ({"nonce": ""}, 400),
    ],
)
async def test_what_is_not_genuine_is_turned_away(stage: Stage, changes: dict[str, str], status: int) -> None:
    assert (await post_vector(stage, "S5", **changes))[0] == status
    assert await stage.inbox() == []


async def test_too_large_a_body_is_turned_away(stage: Stage) -> None:
    query = {"msg_signature": "x", "timestamp": "1", "nonce": "n"}
    assert (await stage.aibot.raw(query, b"x" * 70_000))[0] == 413


@pytest.mark.parametrize(
    "body", [{"msgtype": "text"}, {"msgtype": "event", "event": {"eventtype": "holiday"}, "from": {"userid": "u"}}]
)
async def test_what_nobody_can_be_answered_for_is_accepted_and_left(stage: Stage, body: dict[str, Any]) -> None:
    assert (await stage.aibot.post(body))[:2] == (200, "")
    assert await stage.inbox() == []


async def test_another_tenants_address_is_not_there(stage: Stage) -> None:
    stage.aibot.target = stage.url.replace("acme", "other")
    assert (await stage.aibot.raw({}, b"{}"))[0] == 404


async def test_it_cannot_speak_first(stage: Stage) -> None:
    assert stage.platform.direct(Address("aibot", "chat:C1", "zhangsan", group=True)) is None
    alone = Address("aibot", "user:zhangsan", "zhangsan")
    assert stage.platform.direct(alone) == alone
