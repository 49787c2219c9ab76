"""The real server with an aibot in its settings, in either mode."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bot.config import (
    AibotSettings,
    DatabaseSettings,
    KnowledgeSettings,
    ScheduleSettings,
    Settings,
    TenantSettings,
)
from db.outbox import NewMessage, queue
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Text
from tests.demo_server import serve
from tests.fakes.aibot import FakeAibot
from tests.fakes.aibot_socket import FakeAibotSocket
from tests.scenarios.aibot.socket_stage import until


def now() -> datetime:
    return datetime.now(UTC)


def settings(path: Path, aibot: AibotSettings) -> Settings:
    """A server of one chain with nothing but an aibot."""
    return Settings(
        database=DatabaseSettings(url=SecretStr(f"sqlite+aiosqlite:///{path / 'server.db'}")),
        knowledge=KnowledgeSettings(directory=path / "chroma"),
        schedule=ScheduleSettings(enabled=False),
        state_directory=path,
        tenants={"acme": TenantSettings(name="测试连锁", aibot=aibot)},
    )


async def test_a_bot_that_is_called_answers_by_its_stream(tmp_path: Path) -> None:
    async with FakeAibot(now).running() as aibot, serve(settings(tmp_path, aibot.settings())) as server:
        aibot.target = f"{server.base}/wecom/acme/aibot"
        said = await aibot.follow(await aibot.say("nobody", "最近7天GMV"))
        assert "绑定" in said.text
        assert aibot.faults == []


async def test_a_bot_with_a_socket_answers_through_it(tmp_path: Path) -> None:
    async with FakeAibotSocket(now).running() as cloud, serve(settings(tmp_path, cloud.settings())):
        await until(lambda: bool(cloud.subscribed))
        await cloud.say("nobody", "最近7天GMV")
        await until(lambda: "绑定" in "".join(cloud.texts("nobody")))
        assert cloud.faults == []


async def test_a_push_reaches_who_wrote_to_a_chain_that_has_no_app(tmp_path: Path) -> None:
    async with FakeAibotSocket(now).running() as cloud, serve(settings(tmp_path, cloud.settings())) as server:
        await until(lambda: bool(cloud.subscribed))
        await cloud.say("nobody", "最近7天GMV")
        await until(lambda: "绑定" in "".join(cloud.texts("nobody")))
        address = dump_address(Address("wecom", "user:nobody", "nobody"))
        push = NewMessage(1, "wecom", "message", "push:1", "user:nobody", address, dump_part(Text("早上好")))
        async with server.runtime.database.write() as session:
            await queue(session, push, now())
        await until(lambda: "早上好" in "".join(cloud.texts("nobody")), 15)
        assert cloud.faults == []
