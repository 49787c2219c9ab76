"""An aibot through a socket of ours: from a callback frame to the acknowledged answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.cards.aibot_card import FINISHED_KEY
from bot.platforms.aibot.acks import NEVER_WROTE, NOT_CONNECTED
from bot.platforms.aibot.polls import NOTHING, SENT_ALONE, SWITCHED
from bot.platforms.aibot.snapshot import SEE_CARD, WAITING
from bot.platforms.base import RateLimited, Refused, TryLater, Unknown
from bot.platforms.wecom.platform import WecomPlatform
from db.engine import Database
from db.models import Outbox
from handlers.codec import load_update
from handlers.messages import Address, File, Part, Picture, Text
from tests.fakes.aibot_socket import CUT, SECRET, SILENT, FakeAibotSocket
from tests.fakes.wecom import FakeWecom
from tests.scenarios.aibot.socket_stage import ANNOUNCING, FAST, LINK, SocketStage, socket_stage, until
from tests.scenarios.aibot.stage import ON_SQLITE, Clock, bind

pytestmark = ON_SQLITE
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 700_000
ONE = Text("一")
ANSWER = "今天有两张券。"
USER = "ZhangSan"


async def asked(stage: SocketStage, text: str = "今天有什么券", *, chat: str = "") -> Address:
    """Ask, and return where the answer goes; nothing is answered yet."""
    count = len(await stage.received(0))
    await stage.cloud.say(USER, text, chat=chat)
    return load_update((await stage.received(count + 1))[-1]).address


async def send(stage: SocketStage, address: Address, part: Part = ONE, key: str = "k") -> None:
    for payload in stage.platform.render(part):
        await stage.platform.send(address, payload, key=key)


async def test_a_quick_answer_is_one_finished_stream(holding: SocketStage) -> None:
    await asked(holding)
    await holding.run()
    assert [(one["stream"]["content"], one["stream"]["finish"]) for one in holding.cloud.sent("aibot_respond_msg")] == [
        (ANSWER, True)
    ]
    assert await holding.outbox() == [("sent", None)]


async def test_a_slow_answer_is_announced_and_replaces_the_announcement(announcing: SocketStage) -> None:
    await asked(announcing, chat="C1")
    await until(lambda: announcing.cloud.texts("C1") == [WAITING])
    await announcing.run()
    assert announcing.cloud.texts("C1") == [ANSWER]


async def test_later_parts_are_messages_of_their_own(holding: SocketStage) -> None:
    holding.saying.parts = (Text("一"), Text("二"), Text("三"))
    await asked(holding)
    await holding.run()
    assert [one["msgtype"] for one in holding.cloud.screens[USER]] == ["stream", "markdown", "markdown"]
    assert holding.cloud.texts(USER) == ["一", "二", "三"]


async def test_a_card_is_a_message_after_its_stream(announcing: SocketStage) -> None:
    await asked(announcing, "方案")
    await until(lambda: announcing.cloud.texts(USER) == [WAITING])
    await announcing.run()
    assert announcing.cloud.texts(USER) == [SEE_CARD, "[template_card]"]


async def test_a_quick_card_needs_no_stream(holding: SocketStage) -> None:
    await asked(holding, "方案")
    await holding.run()
    assert holding.cloud.texts(USER) == ["[template_card]"]


async def test_a_message_delivered_twice_is_answered_once(holding: SocketStage) -> None:
    for _ in range(2):
        await holding.cloud.say(USER, "今天有什么券", id="same")
    await asked(holding, "还有吗")
    await holding.run()
    assert len(holding.saying.asked) == 2


async def test_messages_are_committed_in_their_order(holding: SocketStage) -> None:
    for number in range(20):
        await holding.cloud.say(USER, f"第{number}句")
    assert [update["text"] for update in await holding.received(20)] == [f"第{number}句" for number in range(20)]


async def test_live_text_is_throttled_and_finished_by_its_piece(holding: SocketStage) -> None:
    address = await asked(holding)
    live = holding.platform.live(address, "reply:1:0")
    assert live is not None
    for end in range(1, 8):
        await live.show(ANSWER[:end])
    await until(lambda: holding.cloud.texts(USER) == [ANSWER[:1]])
    await holding.run()
    assert holding.cloud.texts(USER) == [ANSWER]
    assert len(holding.cloud.sent("aibot_respond_msg")) == 2


async def test_one_frame_of_a_message_is_under_way_at_a_time(holding: SocketStage) -> None:
    holding.cloud.ack_seconds = 0.05
    address = await asked(holding)
    live = holding.platform.live(address, "reply:1:0")
    assert live is not None
    await live.show("今")
    await holding.run()
    assert holding.cloud.texts(USER) == [ANSWER]


async def test_an_expired_stream_is_followed_by_a_message_of_its_own(holding: SocketStage) -> None:
    address = await asked(holding)
    holding.cloud.plan["aibot_respond_msg"] = [846608]
    await send(holding, address)
    assert holding.cloud.sent("aibot_send_msg") == [
        {"chatid": USER, "chat_type": 1, "msgtype": "markdown", "markdown": {"content": "一"}}
    ]


async def test_a_request_that_is_over_is_followed_by_a_message_of_its_own(holding: SocketStage) -> None:
    address = await asked(holding, chat="C1")
    holding.clock.now += timedelta(hours=23, minutes=50)
    hints = {**address.hints, "request": "req-unknown", "stream": "aibot-other"}
    await send(holding, replace(address, hints=hints))
    assert holding.cloud.sent("aibot_send_msg")[0]["chatid"] == "C1"


async def test_after_a_day_the_request_is_not_tried(holding: SocketStage) -> None:
    address = await asked(holding)
    holding.clock.now += timedelta(hours=24)
    await send(holding, address)
    assert holding.cloud.sent("aibot_respond_msg") == []
    assert holding.cloud.texts(USER) == ["一"]


async def test_before_six_minutes_the_stream_ends_and_the_answer_is_a_message(announcing: SocketStage) -> None:
    await asked(announcing)
    await until(lambda: announcing.cloud.texts(USER) == [WAITING])
    announcing.clock.now += timedelta(minutes=5, seconds=31)
    await until(lambda: announcing.cloud.texts(USER) == [SWITCHED])
    await announcing.run()
    assert announcing.cloud.texts(USER) == [SWITCHED, ANSWER]


async def test_what_went_to_the_person_alone_ends_the_stream(announcing: SocketStage) -> None:
    await asked(announcing, chat="C1")
    await until(lambda: announcing.cloud.texts("C1") == [WAITING])
    await announcing.dispatch()
    async with announcing.database.write() as session:
        row = await session.get_one(Outbox, 1)
        row.platform, row.status = "wecom", "sent"
    await until(lambda: announcing.cloud.texts("C1") == [SENT_ALONE])


async def test_an_answer_of_nothing_ends_the_stream(announcing: SocketStage) -> None:
    announcing.saying.parts = ()
    await asked(announcing)
    await until(lambda: announcing.cloud.texts(USER) == [WAITING])
    await announcing.run()
    await until(lambda: announcing.cloud.texts(USER) == [NOTHING])


@pytest.mark.parametrize(
    ("plan", "error", "words"),
    [
        (93006, Refused, NEVER_WROTE),
        (6000, TryLater, "6000"),
        (-1, TryLater, "-1"),
        (45009, RateLimited, "45009"),
        (40058, Refused, "40058"),
        (SILENT, Unknown, "可能已经送达"),
        (CUT, Unknown, "可能已经送达"),
    ],
)
async def test_what_wecom_says_decides_what_becomes_of_it(
    impatient: SocketStage, plan: int | str, error: type[Exception], words: str
) -> None:
    address = await asked(impatient)
    impatient.cloud.plan["aibot_respond_msg"] = [plan]
    with pytest.raises(error, match=words):
        await send(impatient, address)


async def test_a_card_whose_first_attempt_had_no_answer_counts_as_sent(impatient: SocketStage) -> None:
    await asked(impatient, "方案")
    impatient.cloud.plan["aibot_respond_msg"] = [SILENT]
    await impatient.run()
    (payload,) = [one for one in impatient.cloud.screens[USER] if one["msgtype"] == "template_card"]
    receipt = await impatient.platform.send(
        load_update((await impatient.received())[0]).address, _card_payload(payload)
    )
    assert receipt.refused == ()
    assert len(impatient.cloud.screens[USER]) == 1


def _card_payload(shown: dict[str, Any]) -> dict[str, Any]:
    part = {"kind": "card", "kind_of_card": "plan", "title": "方案"}
    return {"msgtype": "template_card", "template_card": shown["template_card"], "part": part}


async def test_a_press_changes_the_card(holding: SocketStage) -> None:
    await asked(holding, "方案")
    await holding.run()
    (task_id,) = holding.cloud.cards
    await holding.cloud.press(USER, task_id, "launch")
    await holding.received(2)
    await holding.run()
    shown = holding.cloud.cards[task_id]
    assert shown["main_title"]["desc"] == "店长乙 10:32 已上架 · 券 123"

    await holding.cloud.press(USER, task_id, FINISHED_KEY)
    await until(lambda: len(holding.cloud.sent("aibot_respond_update_msg")) == 2)
    assert holding.cloud.cards[task_id] == shown


@pytest.mark.parametrize("late", [timedelta(seconds=5), timedelta(0)])
async def test_a_press_that_can_no_longer_change_the_card_is_said_in_a_message(
    holding: SocketStage, late: timedelta
) -> None:
    await asked(holding, "方案")
    await holding.run()
    (task_id,) = holding.cloud.cards
    await holding.cloud.press(USER, task_id, "launch")
    await holding.received(2)
    holding.clock.now += late
    if not late:
        holding.cloud.plan["aibot_respond_update_msg"] = [846605]
    await holding.run()
    assert holding.cloud.texts(USER)[-1] == "方案\n店长乙 10:32 已上架 · 券 123"
    assert len(holding.cloud.sent("aibot_send_msg")) == 1


async def test_words_after_a_press_are_a_message_of_their_own(holding: SocketStage) -> None:
    await asked(holding, "方案")
    await holding.run()
    await holding.cloud.press(USER, next(iter(holding.cloud.cards)), "no")
    await holding.received(2)
    await holding.run()
    assert [one["msgtype"] for one in holding.cloud.sent("aibot_send_msg")] == ["markdown"]


async def test_opening_the_chat_is_greeted(holding: SocketStage) -> None:
    await holding.cloud.event(USER, "enter_chat", {})
    await until(lambda: bool(holding.cloud.texts(USER)))
    assert "我是店小二" in holding.cloud.texts(USER)[0]


async def test_a_push_reaches_who_wrote_before_and_nobody_else(holding: SocketStage) -> None:
    await asked(holding, chat="C1")
    await send(holding, Address("aibot", "chat:C1", "", group=True), Text("早上好"))
    assert holding.cloud.texts("C1") == ["早上好"]
    with pytest.raises(Refused, match=NEVER_WROTE):
        await send(holding, Address("aibot", "user:lily", "lily"), Text("早上好"))


@pytest.mark.parametrize(
    ("part", "kind", "raw"),
    [
        (Picture("a.png", base64.b64encode(PNG).decode(), "图"), "image", PNG),
        (File("周报.pdf", base64.b64encode(b"%PDF-").decode()), "file", b"%PDF-"),
    ],
)
async def test_pictures_and_files_are_uploaded_once(holding: SocketStage, part: Part, kind: str, raw: bytes) -> None:
    address = await asked(holding)
    for _ in range(2):
        await send(holding, address, part)
    assert holding.cloud.texts(USER) == [f"[{kind}]", f"[{kind}]"]
    assert list(holding.cloud.media.values()) == [raw]


async def test_an_upload_wecom_has_forgotten_is_uploaded_again(holding: SocketStage) -> None:
    address = await asked(holding)
    part = File("周报.pdf", base64.b64encode(b"%PDF-").decode())
    await send(holding, address, part)
    holding.cloud.media.clear()
    await send(holding, address, part)
    assert len(holding.cloud.media) == 1


async def test_a_broken_upload_may_be_repeated(impatient: SocketStage) -> None:
    address = await asked(impatient)
    impatient.cloud.plan["aibot_upload_media_chunk"] = [SILENT]
    with pytest.raises(TryLater):
        await send(impatient, address, File("周报.pdf", base64.b64encode(b"%PDF-").decode()))


@pytest.mark.parametrize("data", ["", "no base64!"])
async def test_a_file_that_is_none_is_refused(holding: SocketStage, data: str) -> None:
    with pytest.raises(Refused, match="发不出去"):
        await send(holding, await asked(holding), File("周报.pdf", data))


async def test_what_is_no_picture_is_said_in_words(holding: SocketStage) -> None:
    await send(holding, await asked(holding), Picture("a.gif", base64.b64encode(b"GIF89a").decode(), "一张图"))
    assert holding.cloud.texts(USER) == ["一张图"]


async def test_more_than_wecom_takes_in_a_minute_waits(holding: SocketStage) -> None:
    address = await asked(holding)
    for number in range(30):
        await send(holding, address, Text(str(number)))
    with pytest.raises(RateLimited):
        await send(holding, address, Text("30"))
    assert [(rate.count, rate.seconds) for rate in holding.platform.rates(address)] == [(30, 60), (1000, 3600)]


async def test_a_process_without_the_socket_sends_nothing(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock) as stage:
        assert not stage.platform.ready
        with pytest.raises(TryLater, match=NOT_CONNECTED):
            await send(stage, Address("aibot", "user:lily", "lily"))
        assert stage.platform.live(Address("aibot", "user:lily", "lily"), "k") is None


async def test_a_process_that_did_not_begin_the_stream_finishes_it_and_does_not_begin_it_anew(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock, owner="one", timing=ANNOUNCING) as first:
        first.start()
        await first.connected()
        address = await asked(first)
        await until(lambda: cloud.texts(USER) == [WAITING])
    async with socket_stage(database, cloud, clock, owner="two") as second:
        second.start()
        await second.connected()
        await send(second, address, Text("一"))
    async with socket_stage(database, cloud, clock, owner="three") as third:
        third.start()
        await third.connected()
        await send(third, address, Text("二"))
    assert cloud.texts(USER) == ["一", "二"]


async def test_a_commit_that_fails_is_tried_again(database: Database, cloud: FakeAibotSocket, clock: Clock) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock) as stage:
        failures = iter([ConnectionError(), OSError()])

        async def receive(update: Any) -> bool:
            if error := next(failures, None):
                raise error
            return await stage.way.receive(update)

        stage.platform.start("acme", receive)
        await stage.connected()
        await cloud.say(USER, "今天有什么券")
        assert len(await stage.received()) == 1


async def test_what_has_come_is_committed_before_the_end(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    async with socket_stage(database, cloud, clock) as stage:

        async def receive(update: Any) -> bool:
            await asyncio.sleep(0.1)
            return await stage.way.receive(update)

        stage.platform.start("acme", receive)
        await stage.connected()
        await cloud.say(USER, "一")
        await cloud.say(USER, "二")
        await asyncio.sleep(0.05)
        await stage.platform.stop()
        assert len(await stage.received(0)) == 2


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"cmd": "news", "headers": 7}', '{"errcode": 0}', "[" * 9999])
async def test_garbage_on_the_socket_does_not_end_it(holding: SocketStage, text: str) -> None:
    await holding.cloud.raw(text)
    await holding.cloud.call("aibot_msg_callback", USER, "", {"msgtype": ""})
    await asked(holding)
    assert len(holding.cloud.connections) == 1


async def test_no_secret_and_no_text_is_logged(holding: SocketStage) -> None:
    with capture_logs() as logs:
        await asked(holding, "会员电话")
        await holding.run()
        await holding.platform.stop()
    assert SECRET not in str(logs)
    assert "会员电话" not in json.dumps([repr(entry) for entry in logs])


@pytest.fixture
async def app(clock: Clock) -> AsyncIterator[WecomPlatform]:
    """The tenant's app."""
    async with FakeWecom(lambda: clock().timestamp()).running() as fake:
        platform = WecomPlatform(fake.settings, clock=lambda: clock().timestamp())
        yield platform
        await platform.close()


async def test_the_person_of_a_group_is_reached_by_the_app_or_by_the_bot(
    database: Database, cloud: FakeAibotSocket, clock: Clock, app: WecomPlatform
) -> None:
    group = Address("aibot", "chat:C1", "zhangsan", group=True)
    async with socket_stage(database, cloud, clock, app=app) as with_app, socket_stage(database, cloud, clock) as alone:
        assert with_app.platform.direct(group) == Address("wecom", "user:zhangsan", "zhangsan")
        assert alone.platform.direct(group) == Address("aibot", "user:zhangsan", "zhangsan", directory="wecom")


async def test_pings_keep_the_connection_and_a_silent_one_is_left(
    database: Database, cloud: FakeAibotSocket, clock: Clock
) -> None:
    await bind(database)
    quick = replace(FAST, holder=replace(FAST.holder, link=replace(LINK, ping=0.05, ack=0.05)))
    async with socket_stage(database, cloud, clock, timing=quick) as stage:
        stage.start()
        await stage.connected()
        await until(lambda: len(cloud.sent("ping")) >= 3)
        assert len(cloud.sent("aibot_subscribe")) == 1
        cloud.plan["ping"] = [SILENT, SILENT]
        await until(lambda: len(cloud.sent("aibot_subscribe")) == 2)
        await stage.connected()
