"""HTTP mode end to end: DingTalk calls the real server at its address, signed; nothing comes by Stream."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import select

from bot.answering import NO_CONTENTS
from bot.config import DatabaseSettings, KnowledgeSettings, ScheduleSettings, ServerSettings, Settings, TenantSettings
from bot.platforms.dingtalk.arrivals import PRESS_TAKEN
from bot.platforms.dingtalk.verify import card_secret
from bot.server import RUNTIME, build_app
from db.models import Inbox
from tests.fakes.dingtalk import GATEWAY, REGISTER, SECRET, FakeDingtalk, Planned, fake_dingtalk, until

QUESTION = "/我是谁"
PLAN = "给高价值老客做一个促复购活动，预算3万，7天"


@dataclass(frozen=True, slots=True)
class Server:
    """The running server and the DingTalk that calls it."""

    base: str
    app: web.Application
    dingtalk: FakeDingtalk
    http: aiohttp.ClientSession

    async def inbox(self) -> list[Inbox]:
        async with self.app[RUNTIME].database.read() as session:
            return list(await session.scalars(select(Inbox).order_by(Inbox.id)))

    async def ended(self) -> Inbox:
        """Return the first row once nobody works on it any more."""
        async with asyncio.timeout(10):
            while True:
                row = (await self.inbox())[0]
                if row.status in {"done", "dead"}:
                    return row
                await asyncio.sleep(0.02)

    async def post(self, path: str, body: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(f"{self.base}/dingtalk/demo/{path}", data=body, headers=named) as response:
            return response.status


@asynccontextmanager
async def serving(
    dingtalk: FakeDingtalk, seeded_url: str, state: Path, *, stream: bool = False, public_url: str | None = None
) -> AsyncIterator[Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = Settings(
        server=ServerSettings(public_url=base if public_url is None else public_url),
        database=DatabaseSettings(url=SecretStr(seeded_url)),
        knowledge=KnowledgeSettings(directory=state / "chroma"),
        schedule=ScheduleSettings(enabled=False),
        state_directory=state,
        tenants={"demo": TenantSettings(dingtalk=dingtalk.settings(stream=stream))},
    )
    runner = web.AppRunner(build_app(settings), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        async with aiohttp.ClientSession() as http:
            yield Server(base, runner.app, dingtalk, http)
    finally:
        await runner.cleanup()
        listening.close()


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        fake.cloud.add_group("cidGroup==", "店长群", ("manager3", "hq1"))
        yield fake


@pytest.fixture
async def server(dingtalk: FakeDingtalk, seeded_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(dingtalk, seeded_url, tmp_path / "state") as made:
        dingtalk.cloud.robot_url = f"{made.base}/dingtalk/demo/robot"
        yield made


def message_headers(secret: str = SECRET, seconds_ago: float = 0.0) -> dict[str, str]:
    timestamp = str(int((time.time() - seconds_ago) * 1000))
    return {"timestamp": timestamp, "sign": signed(secret, f"{timestamp}\n{secret}")}


def press_headers(secret: str, seconds_ago: float = 0.0) -> dict[str, str]:
    timestamp = str(int((time.time() - seconds_ago) * 1000))
    return {"x_ddpaas_signature_timestamp": timestamp, "x_ddpaas_signature": signed(secret, timestamp)}


def signed(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def message(**fields: Any) -> bytes:
    values = {
        "conversationId": "cid1",
        "conversationType": "1",
        "msgId": "msg1",
        "msgtype": "text",
        "text": {"content": QUESTION},
        "senderStaffId": "hq1",
        "robotCode": "dingfake",
    }
    return json.dumps(values | fields).encode()


async def test_a_question_is_taken_with_an_empty_message_and_answered(dingtalk: FakeDingtalk, server: Server) -> None:
    assert await dingtalk.cloud.say("hq1", QUESTION) == {"msgtype": "empty"}
    await until(lambda: "您是" in str(dingtalk.screen("hq1")), 20)
    assert not dingtalk.called(GATEWAY)


async def test_a_question_in_a_group_is_answered_in_the_group(dingtalk: FakeDingtalk, server: Server) -> None:
    await dingtalk.cloud.say("hq1", QUESTION, group="cidGroup==")
    await until(lambda: "您是" in str(dingtalk.screen("manager3")), 20)


async def test_the_card_callback_is_registered_when_the_server_starts(dingtalk: FakeDingtalk, server: Server) -> None:
    await until(lambda: bool(dingtalk.cloud.cards.routes))
    route = dingtalk.cloud.cards.routes["daogou-demo"]
    assert route.url == f"{server.base}/dingtalk/demo/card"
    assert SECRET not in (route.secret, dingtalk.called(REGISTER)[0].body["apiSecret"])


async def test_a_press_comes_back_by_http_and_the_card_changes_for_everybody(
    dingtalk: FakeDingtalk, server: Server
) -> None:
    await until(lambda: bool(dingtalk.cloud.cards.routes))
    await dingtalk.cloud.say("manager3", PLAN, group="cidGroup==")
    await until(lambda: "launch" in str(dingtalk.screen("manager3")), 20)
    [shown] = [one for one in dingtalk.phones.screen("dingtalk", "manager3") if one.payload["msgtype"] == "card"]
    assert shown.payload["callbackType"] == "HTTP"
    assert await dingtalk.cloud.press("manager3", shown.message_id, "launch") == PRESS_TAKEN
    for user in ("manager3", "hq1"):
        await until(lambda user=user: "已上架 · 券 " in str(dingtalk.screen(user)), 20)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, message()),
        (message_headers("wrong"), message()),
        (message_headers(seconds_ago=3700), message()),
        (message_headers(seconds_ago=-7200), message()),
        ({**message_headers(), "timestamp": "soon"}, message()),
        ({"timestamp": message_headers()["timestamp"]}, message()),
        ({}, b"no json"),
    ],
)
async def test_what_is_not_signed_by_dingtalk_now_leaves_no_row(
    server: Server, headers: dict[str, str], body: bytes
) -> None:
    assert await server.post("robot", body, **headers) == 403
    assert await server.inbox() == []


@pytest.mark.parametrize(("ago", "status"), [(3590, 200), (-3590, 200), (3610, 403)])
async def test_a_signature_is_good_for_an_hour(server: Server, ago: float, status: int) -> None:
    assert await server.post("robot", message(), **message_headers(seconds_ago=ago)) == status


async def test_what_is_signed_and_cannot_be_read_is_refused_or_taken_for_good(server: Server) -> None:
    assert await server.post("robot", b"no json", **message_headers()) == 400
    assert await server.post("robot", b"[" * 100_000, **message_headers()) == 413
    assert await server.post("robot", b"[" * 50_000, **message_headers()) == 400
    assert await server.post("robot", message(msgId=""), **message_headers()) == 200  # it would only come again
    assert await server.inbox() == []


async def test_a_message_that_comes_twice_is_one_row(server: Server) -> None:
    for _ in range(2):
        assert await server.post("robot", message(), **message_headers()) == 200
    assert len(await server.inbox()) == 1


async def test_a_press_is_verified_with_the_registered_secret_and_known_by_its_moment(server: Server) -> None:
    press = json.dumps(
        {"outTrackId": "c-1", "userId": "hq1", "content": '{"cardPrivateData":{"actionIds":["go"]}}'}
    ).encode()
    assert await server.post("card", press, **press_headers(SECRET)) == 403
    assert await server.post("card", press, **press_headers(card_secret(SECRET), 3700)) == 403
    assert await server.inbox() == []
    once, again = press_headers(card_secret(SECRET), 1), press_headers(card_secret(SECRET))
    assert [await server.post("card", press, **headers) for headers in (once, once, again)] == [200] * 3
    assert len(await server.inbox()) == 2


async def test_the_session_webhook_lies_sealed_in_the_row(dingtalk: FakeDingtalk, server: Server) -> None:
    await dingtalk.cloud.say("hq1", QUESTION)
    [row] = await server.inbox()
    assert "sendBySession" not in json.dumps(row.update)
    sealed = row.update["address"]["hints"]["sessionWebhook"]
    assert "sendBySession" in server.app[RUNTIME].sealer.open(sealed)


async def test_over_quota_is_taken_and_not_answered(dingtalk: FakeDingtalk, server: Server) -> None:
    await until(lambda: bool(dingtalk.cloud.cards.routes))
    dingtalk.cloud.door.quota_spent = True
    assert await dingtalk.cloud.say("hq1", QUESTION) == {"msgtype": "empty"}
    row = await server.ended()
    assert (row.status, row.error) == ("dead", NO_CONTENTS)
    assert dingtalk.screen("hq1") == []


async def test_a_registration_that_is_refused_says_how_to_mend_it(
    dingtalk: FakeDingtalk, seeded_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = Planned(403, {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied"})
    dingtalk.plan(REGISTER, refused)
    async with serving(dingtalk, seeded_url, tmp_path / "state"):
        await until(lambda: bool(dingtalk.called(REGISTER)))
        await until(lambda: "card_callback_not_registered" in capsys.readouterr().out)


async def test_without_a_public_address_nothing_is_registered_and_the_log_says_why(
    dingtalk: FakeDingtalk, seeded_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(dingtalk, seeded_url, tmp_path / "state", public_url=""):
        await until(lambda: "server.public_url" in capsys.readouterr().out)
    assert not dingtalk.called(REGISTER)


async def test_an_app_that_is_connected_by_stream_is_not_called_by_http(
    dingtalk: FakeDingtalk, seeded_url: str, tmp_path: Path
) -> None:
    async with serving(dingtalk, seeded_url, tmp_path / "state", stream=True) as server:
        assert await server.post("robot", message(), **message_headers()) == 404
        await dingtalk.connected()
    assert not dingtalk.called(REGISTER)
