"""The real process: it starts, says where it is, is killed and loses nothing, stops when asked."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select, update

from db.engine import Database
from db.models import Inbox
from tests.demo_server import eventually
from tests.fakes.llm import FakeLlm, stall

READY = re.compile(r"http://127\.0\.0\.1:(\d+)/sandbox")
ROOT = str(Path(__file__).parents[2])
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running `daogou serve --demo`."""

    process: asyncio.subprocess.Process
    base: str
    said: str

    async def say(self, text: str) -> int:
        body = {"platform": "wecom", "user": "hq1", "text": text}
        async with aiohttp.ClientSession() as http, http.post(f"{self.base}/sandbox/api/say", json=body) as response:
            return response.status

    async def screen(self) -> str:
        url = f"{self.base}/sandbox/api/screen?platform=wecom&user=hq1"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return json.dumps(await response.json(), ensure_ascii=False)


@pytest.fixture
def home(seeded_sqlite_path: Path, tmp_path: Path) -> Path:
    """A working folder with a blank in its name and the seeded chain in it."""
    folder = tmp_path / "导购 demo"
    (folder / "var").mkdir(parents=True)
    shutil.copyfile(seeded_sqlite_path, folder / "var" / "daogou.db")
    return folder


@asynccontextmanager
async def served(home: Path, *arguments: str, **environment: str) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--demo", "--port", "0", *arguments,
        cwd=home, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": ROOT, "DAOGOU_SCHEDULE__ENABLED": "false", **environment},
    )  # fmt: skip
    try:
        said = await _until_ready(process)
        match = READY.search(said)
        assert match, said
        yield Served(process, f"http://127.0.0.1:{match[1]}", said)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(START_SECONDS):
        while "Ctrl+C" not in said:
            line = await process.stdout.readline()
            assert line, f"the server ended: {said}"
            said += line.decode()
    return said


async def test_it_says_where_it_is_and_stops_when_asked(home: Path) -> None:
    async with served(home) as server:
        assert "一次性密码" in server.said
        assert await server.say("/我是谁") == 200
        await eventually(server.screen, lambda text: "您是" in text)
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await server.process.wait() == 0


async def test_a_second_start_is_quick_and_keeps_the_phones(home: Path) -> None:
    async with served(home) as server:
        await server.say("/我是谁")
        await eventually(server.screen, lambda text: "您是" in text)
    async with served(home) as server:
        assert "生成演示数据" not in server.said
        assert "您是" in await server.screen()


async def test_a_message_that_was_acknowledged_survives_kill_9(home: Path) -> None:
    """The process dies while a model that never answers is asked; the next one answers by rules."""
    database = Database(f"sqlite+aiosqlite:///{home / 'var' / 'daogou.db'}")
    async with FakeLlm(stall(60)) as slow:
        environment = {"DAOGOU_LLM__BASE_URL": slow.base_url, "DAOGOU_LLM__API_KEY": "sk-test"}
        async with served(home, **environment) as server:
            assert await server.say("嗯嗯那个啥来着") == 200
            await eventually(lambda: _statuses(database), lambda statuses: statuses == ["working"])
            server.process.kill()
            await server.process.wait()
    async with database.write() as session:
        await session.execute(update(Inbox).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))

    async with served(home) as server:
        screen = await eventually(server.screen, lambda text: "回复数字" in text)
        assert screen.count("回复数字") == 1
    assert await _statuses(database) == ["done"]
    await database.close()


async def _statuses(database: Database) -> list[str]:
    async with database.read() as session:
        return list((await session.scalars(select(Inbox.status))).all())


async def test_a_taken_port_is_said_in_words(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", "--demo", "--port", port,
            cwd=home, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
        )  # fmt: skip
        _, error = await process.communicate()
    assert process.returncode == 1
    assert f"端口 {port} 已经被占用" in error.decode()


async def test_a_database_that_is_not_there_is_said_in_words(home: Path) -> None:
    environment = {"DAOGOU_DATABASE__URL": "mysql+aiomysql://somebody:hidden@127.0.0.1:1/daogou"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--port", "0",
        cwd=home, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT, **environment},
    )  # fmt: skip
    _, error = await process.communicate()
    assert process.returncode == 1
    assert "连不上数据库" in error.decode()
    assert not {"Traceback", "hidden"} & set(error.decode().split())


async def test_a_wrong_configuration_is_said_in_words(home: Path) -> None:
    (home / "config.toml").write_text("[server]\nport = 'eighty'\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--demo",
        cwd=home, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    _, error = await process.communicate()
    assert process.returncode == 2
    assert "server.port" in error.decode()
