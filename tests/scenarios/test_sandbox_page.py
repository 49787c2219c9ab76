"""What the sandbox's page may ask for, and who may ask: over HTTP, with real clouds behind it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from bot.intake import Intake
from bot.metrics import Metrics
from bot.platforms.wecom.platform import WecomPlatform
from bot.reached import Reached
from bot.receive import Receiver
from bot.sandbox.page import sandbox_routes
from bot.sandbox.personas import member_ids
from bot.sandbox.stage import DemoStage
from bot.web.errors import front_middleware
from bot.web.gate import Gate
from bot.web.wecom import wecom_routes
from bot.worker import Doorbell
from db.base import Base
from db.engine import Database
from db.models import Inbox
from db.spool import Spool
from tests.rows import small_chain

AS_OF = date(2026, 11, 21)
LILY = {"platform": "wecom", "user": "clerk1"}


@dataclass
class Sandbox:
    client: TestClient[web.Request, web.Application]
    stage: DemoStage
    database: Database
    pushed: list[tuple[str, str]] = field(default_factory=list)

    async def post(self, path: str, body: object, **headers: str) -> ClientResponse:
        return await self.client.post(f"/sandbox/api/{path}", json=body, headers=headers)

    async def inbox(self) -> list[Inbox]:
        async with self.database.read() as session:
            return list((await session.scalars(select(Inbox).order_by(Inbox.id))).all())


def clock() -> datetime:
    return datetime.now(UTC)


async def _write_chain(path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with database.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await small_chain(database, AS_OF)
    await database.close()


@pytest.fixture(scope="module")
def chain_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small chain in SQLite, the only database the demo runs on; copied for each test."""
    path = tmp_path_factory.mktemp("chain") / "daogou.db"
    asyncio.run(_write_chain(path))
    return path


@pytest.fixture
async def database(chain_path: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copyfile(chain_path, tmp_path / "daogou.db")
    opened = Database(f"sqlite+aiosqlite:///{tmp_path / 'daogou.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def sandbox(database: Database, tmp_path: Path) -> AsyncIterator[Sandbox]:
    stage = DemoStage(tmp_path)
    await stage.open()
    stage.invite(await member_ids(database, 1, "wecom"))
    settings = stage.tenant_settings().wecom
    assert settings is not None
    platform, metrics = WecomPlatform(settings), Metrics()
    bell = Doorbell()
    intake = Intake(database, Spool(tmp_path / "spool.db", 100), 2.0, metrics, bell.ring)
    reached = Reached(database, clock)
    receive = Receiver(intake, {"demo": 1}, bell.ring, metrics, reached, clock)
    pushed: list[tuple[str, str]] = []

    async def push(kind: str, user_id: str) -> str:
        pushed.append((kind, user_id))
        return "已发出 1 条"

    app = web.Application(middlewares=[front_middleware()])
    app.router.add_routes(sandbox_routes(stage, database, 1, push))
    app.router.add_routes(wecom_routes({"demo": platform}, receive, Gate(metrics, reached, {"demo": 1}, clock)))
    app.on_shutdown.append(stage.hush)
    async with TestClient(TestServer(app)) as client:
        yield Sandbox(client, stage, database, pushed)
    await platform.close()
    await stage.close()


async def test_the_personas_are_people_of_the_database(sandbox: Sandbox) -> None:
    answer = await (await sandbox.client.get("/sandbox/api/personas")).json()
    assert (answer["chain"], answer["as_of"]) == ("测试连锁", "2026-11-21")
    people = [(one["role_name"], one["name"], one["store"], one["users"]["dingtalk"]) for one in answer["personas"]]
    assert people == [
        ("店员", "店员甲", "上海一店", "clerk1"),
        ("店长", "店长乙", "上海一店", "manager1"),
        ("总部", "总部丙", "全部门店", "hq1"),
    ]


async def test_typing_travels_encrypted_and_lands_in_the_inbox(sandbox: Sandbox) -> None:
    assert (await sandbox.post("say", LILY | {"text": " 我的任务 "})).status == 200
    (row,) = await sandbox.inbox()
    assert (row.update["text"], row.update["address"]["user_id"]) == ("我的任务", "clerk1")
    screen = await (await sandbox.client.get("/sandbox/api/screen", params=LILY)).json()
    assert [(one["direction"], one["payload"]["text"]["content"]) for one in screen["messages"]] == [
        ("out", "我的任务")
    ]


async def test_the_trace_shows_the_wire_and_hides_the_words_from_it(sandbox: Sandbox) -> None:
    await sandbox.post("say", LILY | {"text": "我的任务"})
    (shown,) = sandbox.stage.phones.screen("wecom", "clerk1")
    for query in (LILY, LILY | {"seq": str(shown.seq)}):
        trace = (await (await sandbox.client.get("/sandbox/api/trace", params=query)).json())["trace"]
        assert trace["what"] == trace["update"]["text"] == "我的任务"
        assert "我的任务" not in trace["wire"]["body"]
        assert "我的任务" in trace["wire"]["decrypted"]
        assert "msg_signature" in trace["wire"]["query"]


async def test_there_is_nothing_to_trace_before_the_first_message(sandbox: Sandbox) -> None:
    assert await (await sandbox.client.get("/sandbox/api/trace", params=LILY)).json() == {"trace": None}


async def test_a_push_is_asked_for_by_kind_and_person(sandbox: Sandbox) -> None:
    answer = await sandbox.post("push", {"kind": "morning", "user": "clerk1"})
    assert (await answer.json())["message"] == "已发出 1 条"
    assert sandbox.pushed == [("morning", "clerk1")]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("say", {"platform": "wecom", "user": "stranger", "text": "您好"}, 404),
        ("say", {"platform": "sms", "user": "clerk1", "text": "您好"}, 404),
        ("say", {"platform": ["wecom"], "user": "clerk1", "text": "您好"}, 404),
        ("say", LILY | {"text": "  "}, 400),
        ("say", LILY | {"text": "长" * 1001}, 400),
        ("say", LILY | {"text": 7}, 400),
        ("say", ["您好"], 400),
        ("press", LILY | {"message_id": "m", "button": ""}, 400),
        ("press", LILY | {"message_id": "m", "button": "launch"}, 409),
        ("press", {"platform": "dingtalk", "user": "clerk1", "message_id": "m", "button": "launch"}, 409),
        ("push", {"kind": "noon", "user": "clerk1"}, 400),
        ("push", {"kind": ["morning"], "user": "clerk1"}, 400),
        ("push", {"kind": "morning", "user": "stranger"}, 404),
    ],
)
async def test_what_cannot_be_done_is_refused_in_chinese(
    sandbox: Sandbox, path: str, body: object, status: int
) -> None:
    answer = await sandbox.post(path, body)
    assert answer.status == status
    assert any("\u4e00" <= char <= "\u9fff" for char in (await answer.json())["error"])
    assert await sandbox.inbox() == []
    assert sandbox.pushed == []


async def test_a_bot_that_is_not_connected_is_said_so(sandbox: Sandbox) -> None:
    answer = await sandbox.post("say", {"platform": "dingtalk", "user": "clerk1", "text": "您好"})
    assert answer.status == 502
    assert "没有送到" in (await answer.json())["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
async def test_another_website_cannot_act_as_a_member_of_staff(sandbox: Sandbox, headers: dict[str, str]) -> None:
    assert (await sandbox.post("say", LILY | {"text": "您好"}, **headers)).status == 403
    assert await sandbox.inbox() == []


async def test_our_own_page_may(sandbox: Sandbox) -> None:
    origin = str(sandbox.client.make_url("/").origin())
    assert (await sandbox.post("say", LILY | {"text": "您好"}, Origin=origin)).status == 200


async def test_a_form_of_another_website_is_refused(sandbox: Sandbox) -> None:
    """A form needs no permission of ours to be sent, but it cannot say that it carries JSON."""
    answer = await sandbox.client.post("/sandbox/api/say", data='{"platform":"wecom"}')
    assert answer.status == 415


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/api/personas", "/sandbox/static/sandbox.js"])
async def test_a_name_that_was_pointed_at_loopback_reads_nothing(sandbox: Sandbox, path: str) -> None:
    answer = await sandbox.client.get(path, headers={"Host": "evil.example"})
    assert answer.status == 403


async def test_the_page_runs_no_script_but_its_own(sandbox: Sandbox) -> None:
    answer = await sandbox.client.get("/sandbox")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    page = await answer.text()
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page


@pytest.mark.parametrize("name", ["sandbox.js", "sandbox.css", "icon.svg"])
async def test_static_files_have_their_type(sandbox: Sandbox, name: str) -> None:
    answer = await sandbox.client.get(f"/sandbox/static/{name}")
    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")


@pytest.mark.parametrize("name", ["page.py", "..%2Fpage.py", "%2e%2e%2fkeys.py", "nothing.js"])
async def test_nothing_else_is_served(sandbox: Sandbox, name: str) -> None:
    assert (await sandbox.client.get(f"/sandbox/static/{name}")).status == 404


async def test_events_name_the_phone_that_changed(sandbox: Sandbox) -> None:
    url = sandbox.client.make_url("/sandbox/api/events")
    async with asyncio.timeout(5), ClientSession() as http, http.get(url) as first, http.get(url) as second:
        assert first.content_type == "text/event-stream"
        sandbox.stage.phones.show("wecom", "clerk1", "m1", {})
        for stream in (first, second):
            assert await _event(stream) == 'data: {"platform": "wecom", "user": "clerk1"}'


async def test_an_open_event_stream_does_not_hold_up_the_stop(sandbox: Sandbox) -> None:
    url = sandbox.client.make_url("/sandbox/api/events")
    async with asyncio.timeout(5), ClientSession() as http, http.get(url) as stream:
        await sandbox.stage.hush()
        assert (await stream.read()).startswith(b"retry:")


async def _event(stream: ClientResponse) -> str:
    async for line in stream.content:
        if line.startswith(b"event: changed"):
            return (await stream.content.readline()).decode().strip()
    raise AssertionError("the stream ended")
