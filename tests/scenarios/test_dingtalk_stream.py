"""The real dingtalk-stream client against a fake gateway: received, committed, acknowledged, reconnected."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from bot.logs import QUIET
from bot.platforms.dingtalk.link import StreamTiming
from bot.platforms.dingtalk.sdk import Reconnect
from bot.platforms.dingtalk.stream import DingtalkStream
from bot.sandbox.dingtalk_frames import MESSAGE_TOPIC, PRESS_TOPIC
from db.engine import Database
from db.models import Usage
from handlers.messages import Update
from tests.fakes.dingtalk import GATEWAY, SECRET, FakeDingtalk, Planned, fake_dingtalk, until
from tests.rows import small_chain
from tests.services import services_of

FAST = StreamTiming(
    gateway=1.0, idle=30.0, unauthorised=0.05, drain=0.5, reconnect=Reconnect(first=0.02, most=0.1, jitter=0.0)
)


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        yield fake


class Inbox:
    """Remembers updates by their dedupe key, as the inbox table does; `before` runs ahead of each commit."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.deliveries = 0
        self.before: Callable[[], Any] | None = None

    async def receive(self, update: Update) -> bool:
        self.deliveries += 1
        if self.before:
            await self.before()
        new = update.dedupe_key not in {known.dedupe_key for known in self.updates}
        if new:
            self.updates.append(update)
        return new

    @property
    def texts(self) -> list[str]:
        return [update.text for update in self.updates]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@asynccontextmanager
async def streaming(
    dingtalk: FakeDingtalk, inbox: Inbox, timing: StreamTiming = FAST, **settings: Any
) -> AsyncIterator[DingtalkStream]:
    stream = DingtalkStream(dingtalk.settings(**settings), "acme", inbox.receive, timing)
    stream.start()
    try:
        yield stream
    finally:
        await stream.stop()


async def test_a_message_is_committed_before_it_is_acknowledged(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    order: list[str] = []

    async def commit() -> None:
        await asyncio.sleep(0.05)
        order.append("committed")

    inbox.before = commit
    dingtalk.cloud.travellers.append(lambda what, _body: order.append(what))
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        ack = await dingtalk.cloud.say("u1", "最近7天GMV")
    assert order == ["frame", "committed", "ack"]
    assert (ack["code"], json.loads(ack["data"])) == (200, {"response": None})
    assert inbox.texts == ["最近7天GMV"]


async def test_only_messages_and_presses_are_subscribed(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
    [call] = dingtalk.called(GATEWAY)
    assert [item["topic"] for item in call.body["subscriptions"]] == [MESSAGE_TOPIC, PRESS_TOPIC]
    assert {item["type"] for item in call.body["subscriptions"]} == {"CALLBACK"}
    assert call.headers["Accept"] == "application/json"


async def test_a_ping_is_echoed_and_counts_as_a_sign_of_life(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox) as stream:
        await dingtalk.connected()
        assert stream.status.last_frame is None
        ack = await dingtalk.cloud.push("ping", {"opaque": "o1"}, kind="SYSTEM")
        assert json.loads(ack["data"]) == {"opaque": "o1"}
        assert stream.status.last_frame is not None
        assert stream.status.state == "connected"


async def test_one_message_under_two_frame_ids_has_one_dedupe_key(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        acks = [await dingtalk.cloud.say("u1", "你好", msgId="msgSAME") for _ in range(2)]
    assert [ack["code"] for ack in acks] == [200, 200]
    assert (inbox.deliveries, inbox.texts) == (2, ["你好"])


@pytest.mark.parametrize("end", ["disconnect", "1000", "1011", "abort"])
async def test_after_every_kind_of_ending_the_next_message_arrives(
    dingtalk: FakeDingtalk, inbox: Inbox, end: str
) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        await (dingtalk.drop(int(end)) if end.isdigit() else getattr(dingtalk, end)())
        await until(lambda: not dingtalk.cloud.links)
        await dingtalk.connected()
        await dingtalk.cloud.say("u1", "还在吗")
    assert inbox.texts == ["还在吗"]
    assert len(dingtalk.called(GATEWAY)) == 2  # each ticket works once


OLD = StreamTiming(drain=0.5, handover=1.0, settled=0.0, reconnect=FAST.reconnect)


async def test_the_next_connection_is_open_before_one_that_ends_is_left(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox, OLD):
        await dingtalk.connected()
        before = dingtalk.cloud.links[0]
        await dingtalk.goodbye()
        await until(lambda: before not in dingtalk.cloud.links)
        assert len(dingtalk.cloud.links) == 1  # there was no moment without one
        await dingtalk.cloud.say("u1", "还在吗")
    assert inbox.texts == ["还在吗"]


async def test_what_comes_while_a_connection_is_handed_over_is_committed_and_acknowledged(
    dingtalk: FakeDingtalk, inbox: Inbox
) -> None:
    gate = asyncio.Event()
    inbox.before = gate.wait
    async with streaming(dingtalk, inbox, OLD):
        await dingtalk.connected()
        before = dingtalk.cloud.links[0]
        push = asyncio.create_task(dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"), link=before, seconds=2))
        await until(lambda: inbox.deliveries == 1)
        await dingtalk.goodbye()
        await dingtalk.connected(2)
        gate.set()
        assert (await push)["code"] == 200
    assert inbox.texts == ["你好"]


async def test_a_connection_that_ends_while_the_gateway_is_closed_is_left_all_the_same(
    dingtalk: FakeDingtalk, inbox: Inbox
) -> None:
    async with streaming(dingtalk, inbox, replace(OLD, handover=0.1)):
        await dingtalk.connected()
        dingtalk.plan(GATEWAY, *[Planned(503, "<html>")] * 6)
        await dingtalk.goodbye()
        await until(lambda: not dingtalk.cloud.links)
        await dingtalk.connected()
        await dingtalk.cloud.say("u1", "还在吗")
    assert inbox.texts == ["还在吗"]


async def test_a_server_that_says_goodbye_at_once_is_met_with_pauses(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    paused = StreamTiming(drain=0.5, reconnect=Reconnect(first=0.2, most=0.2, jitter=0.0))
    async with streaming(dingtalk, inbox, paused):
        for _ in range(3):
            await dingtalk.connected()
            await dingtalk.disconnect()
        assert len(dingtalk.called(GATEWAY)) == 3


async def test_stopping_in_the_middle_of_a_handover_leaves_no_task(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    before = asyncio.all_tasks()
    async with streaming(dingtalk, inbox, OLD):
        await dingtalk.connected()
        dingtalk.plan(GATEWAY, Planned(200, "", delay=3))
        await dingtalk.goodbye()
        await until(lambda: len(dingtalk.called(GATEWAY)) == 2)
    await until(lambda: not dingtalk.cloud.links)
    await until(lambda: not {task for task in asyncio.all_tasks() - before if "dingtalk" in repr(task.get_coro())})


async def test_wrong_credentials_then_a_throttle_page_then_good(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    dingtalk.plan(GATEWAY, Planned(401, {"code": "authFailed"}, delay=0.02), Planned(200, "<html>限流</html>"))
    seen: list[str] = []
    async with streaming(dingtalk, inbox) as stream:
        seen.append(stream.status.state)
        await until(lambda: stream.status.state == "unauthorised")
        seen.append(stream.status.state)
        await until(lambda: stream.status.state == "connected")
        await dingtalk.cloud.say("u1", "好了")
    assert seen == ["connecting", "unauthorised"]
    assert len(dingtalk.called(GATEWAY)) == 3
    assert inbox.texts == ["好了"]


async def test_wrong_credentials_wait_long(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    patient = StreamTiming(unauthorised=60, reconnect=FAST.reconnect)
    async with streaming(dingtalk, inbox, patient, client_secret="wrong") as stream:
        await until(lambda: stream.status.state == "unauthorised")
        await asyncio.sleep(0.2)
        assert len(dingtalk.called(GATEWAY)) == 1


async def test_a_gateway_that_hangs_does_not_stall_the_loop_and_is_given_up(
    dingtalk: FakeDingtalk, inbox: Inbox
) -> None:
    dingtalk.plan(GATEWAY, Planned(200, "", delay=3))
    hurried = StreamTiming(gateway=0.1, reconnect=FAST.reconnect)
    async with streaming(dingtalk, inbox, hurried):
        loop = asyncio.get_running_loop()
        before, worst = loop.time(), 0.0
        while not dingtalk.cloud.links and before < loop.time() + 2:
            await asyncio.sleep(0.01)
            worst, before = max(worst, loop.time() - before), loop.time()
        assert worst < 0.5
        assert len(dingtalk.called(GATEWAY)) == 2


async def test_stopping_while_the_gateway_hangs_is_quick(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    dingtalk.plan(GATEWAY, Planned(200, "", delay=5))
    stream = DingtalkStream(dingtalk.settings(), "acme", inbox.receive)
    stream.start()
    await until(lambda: bool(dingtalk.called(GATEWAY)))
    async with asyncio.timeout(1):
        await stream.stop()
    assert stream.status.state == "stopped"
    assert not [task for task in asyncio.all_tasks() if "_ask_gateway" in repr(task.get_coro())]


async def test_a_frame_whose_commit_fails_is_not_acknowledged(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async def broken() -> None:
        raise ConnectionError("the database is gone")

    inbox.before = broken
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        with pytest.raises(TimeoutError):
            await dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"), seconds=0.2)
        inbox.before = None
        ack = await dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"))
    assert ack["code"] == 200
    assert inbox.texts == ["你好"]


async def test_a_commit_outlives_the_socket_it_came_by(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    gate = asyncio.Event()
    inbox.before = gate.wait
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        push = asyncio.create_task(dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"), seconds=0.3))
        await until(lambda: inbox.deliveries == 1)
        await dingtalk.abort()
        gate.set()
        await until(lambda: inbox.texts == ["你好"])
        with pytest.raises(TimeoutError):
            await push


async def test_stop_lets_a_commit_finish_and_leaves_no_task(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async def slow() -> None:
        await asyncio.sleep(0.1)

    inbox.before = slow
    before = asyncio.all_tasks()
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        push = asyncio.create_task(dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"), seconds=0.3))
        await until(lambda: inbox.deliveries == 1)
    assert inbox.texts == ["你好"]
    assert (await push)["code"] == 200  # the ack leaves before the socket is closed
    await until(lambda: not dingtalk.cloud.links)
    await until(lambda: not {task for task in asyncio.all_tasks() - before if "dingtalk" in repr(task.get_coro())})
    assert len(dingtalk.called(GATEWAY)) == 1  # no reconnect after stop


async def test_stop_gives_up_a_commit_that_never_ends(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    inbox.before = asyncio.Event().wait
    stream = DingtalkStream(dingtalk.settings(), "acme", inbox.receive, StreamTiming(drain=0.05))
    stream.start()
    await dingtalk.connected()
    push = asyncio.create_task(dingtalk.cloud.push(MESSAGE_TOPIC, message("msg1"), seconds=0.3))
    await until(lambda: inbox.deliveries == 1)
    await stream.stop()
    await asyncio.gather(push, return_exceptions=True)
    assert inbox.texts == []


async def test_a_message_over_quota_is_acknowledged_counted_and_kept(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    spent = {"errorCode": 20001, "errorMessage": "quota", "msgtype": "text", "msgId": "m", "senderStaffId": "u1"}
    async with streaming(dingtalk, inbox) as stream:
        await dingtalk.connected()
        dingtalk.cloud.door.quota_spent = True
        acks = [await dingtalk.cloud.say("u1", "最近7天GMV"), await dingtalk.cloud.push(MESSAGE_TOPIC, spent)]
        acks.append(await dingtalk.cloud.push(PRESS_TOPIC, {"errCode": 20001, "errMsg": "quota"}))
        assert stream.status.over_quota == 3
    assert [ack["code"] for ack in acks] == [200, 200, 200]
    assert [(update.kind, update.note, update.text) for update in inbox.updates] == [("other", "over_quota", "")] * 2


async def test_what_arrives_is_counted_and_its_webhook_sealed(
    dingtalk: FakeDingtalk, inbox: Inbox, database: Database
) -> None:
    await small_chain(database)
    services = services_of(database)
    stream = DingtalkStream(dingtalk.settings(), "demo", inbox.receive, FAST, services=services)
    stream.start()
    await dingtalk.connected()
    await dingtalk.cloud.say("u1", "你好", msgId="msgSAME")
    await dingtalk.cloud.say("u1", "你好", msgId="msgSAME")
    await stream.stop()
    await services.usage.flush()
    async with database.read() as session:
        assert [(row.platform, row.what, row.count) for row in await session.scalars(select(Usage))] == [
            ("dingtalk", "received", 2)
        ]
    sealed = inbox.updates[0].address.hints["sessionWebhook"]
    assert "sendBySession" not in sealed
    assert "sendBySession" in services.sealer.open(sealed)


async def test_a_backlog_from_before_an_outage_is_committed_without_its_words(
    dingtalk: FakeDingtalk, inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        await dingtalk.cloud.say("u1", "最近7天GMV", createAt=int((time.time() - 1860) * 1000))
    [update] = inbox.updates
    assert (update.kind, update.note, update.text) == ("other", "stale", "")
    assert "dingtalk.stale" in capsys.readouterr().out


@pytest.mark.parametrize("data", [[], "text", {"text": {"content": "no id"}}])
async def test_what_can_never_be_read_is_acknowledged(dingtalk: FakeDingtalk, inbox: Inbox, data: Any) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        assert (await dingtalk.cloud.push(MESSAGE_TOPIC, data))["code"] == 200
        assert (await dingtalk.cloud.push(PRESS_TOPIC, data))["code"] == 200
    assert inbox.deliveries == 0


@pytest.mark.parametrize("text", ["no json", "123", "{}", '{"type": "CALLBACK"}', '{"type":"CALLBACK","data":"{"}'])
async def test_garbage_on_the_socket_does_not_end_it(dingtalk: FakeDingtalk, inbox: Inbox, text: str) -> None:
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        await dingtalk.raw(text)
        await dingtalk.cloud.say("u1", "你好")
    assert inbox.texts == ["你好"]
    assert len(dingtalk.called(GATEWAY)) == 1


async def test_a_silent_socket_is_closed_and_opened_anew(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox, StreamTiming(idle=0.2, reconnect=FAST.reconnect)):
        await dingtalk.connected()
        await until(lambda: len(dingtalk.called(GATEWAY)) == 2)


async def test_the_servers_pings_keep_a_quiet_socket_open(inbox: Inbox) -> None:
    async with (
        fake_dingtalk(ping_seconds=0.05) as dingtalk,
        streaming(dingtalk, inbox, StreamTiming(idle=0.3, reconnect=FAST.reconnect)),
    ):
        await dingtalk.connected()
        await asyncio.sleep(0.8)
        assert len(dingtalk.called(GATEWAY)) == 1


async def test_each_of_two_connections_handles_its_own_frames(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox), streaming(dingtalk, inbox):
        await dingtalk.connected(2)
        for number in range(6):
            await dingtalk.cloud.say("u1", f"第{number}条")
    assert sorted(inbox.texts) == [f"第{number}条" for number in range(6)]


async def test_starting_twice_is_refused(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    async with streaming(dingtalk, inbox) as stream:
        with pytest.raises(RuntimeError, match="already running"):
            stream.start()


async def test_a_stopped_stream_can_be_started_again(dingtalk: FakeDingtalk, inbox: Inbox) -> None:
    stream = DingtalkStream(dingtalk.settings(), "acme", inbox.receive, FAST)
    for text in ("一", "二"):
        stream.start()
        await dingtalk.connected()
        await dingtalk.cloud.say("u1", text)
        await stream.stop()
        await until(lambda: not dingtalk.cloud.links)
    assert inbox.texts == ["一", "二"]


async def test_no_ticket_secret_webhook_or_message_is_logged(
    dingtalk: FakeDingtalk,
    inbox: Inbox,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in set(QUIET) - {"websockets"}:  # as the program's own set-up does; the socket must not rely on it
        caplog.set_level(logging.WARNING, logger=name)
    caplog.set_level(logging.DEBUG)  # last, because it sets the level of what is captured too
    logging.getLogger("tests").debug("captured down to DEBUG")
    secrets = [SECRET]
    dingtalk.plan(GATEWAY, Planned(401, {"code": "authFailed"}))
    dingtalk.cloud.travellers.append(lambda what, body: secrets.extend(_webhooks(what, body)))
    async with streaming(dingtalk, inbox):
        await dingtalk.connected()
        secrets += [call.query["ticket"] for call in dingtalk.calls if call.path == "/connect"]
        await dingtalk.cloud.say("u1", "会员电话号码")
        await dingtalk.raw("会员电话号码 is no frame")
        with pytest.raises(TimeoutError):
            await dingtalk.cloud.push("/v1.0/unknown", message("m"), seconds=0.1)
        await dingtalk.drop(1011)
        await until(lambda: len(dingtalk.called(GATEWAY)) == 3)
    printed = caplog.text + "".join(capsys.readouterr())
    assert "captured down to DEBUG" in printed
    assert "dingtalk.sdk" in printed
    assert len(set(secrets)) >= 3
    for secret in [*secrets, "会员电话号码"]:
        assert secret not in printed


def _webhooks(what: str, body: dict[str, Any]) -> list[str]:
    webhook = json.loads(body["data"]).get("sessionWebhook") if what == "frame" else None
    return [webhook] if webhook else []


def message(message_id: str) -> dict[str, Any]:
    return {
        "conversationId": "cid1",
        "conversationType": "1",
        "msgId": message_id,
        "msgtype": "text",
        "text": {"content": "你好"},
        "senderStaffId": "u1",
        "robotCode": "dingfake",
    }
