"""Encrypted callbacks per second until they are durably acknowledged, beside a loop that keeps nothing.

Both servers are processes of their own; ours is `daogou serve` as it ships, told to take callbacks in only. Rounds of
both alternate, so that a machine that gets slower gets slower for both. At the end every acknowledged callback must
have its row.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

from pydantic import SecretStr
from sqlalchemy import func, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.cli.bench.failed import BenchFailed
from bot.cli.bench.load import Connection, Figures, as_fast_as_possible, at_a_rate, connect
from bot.cli.bench.start import address_of
from bot.config import WecomSettings
from bot.sandbox.wecom_callbacks import Callbacks
from db.engine import Database
from db.models import Inbox

HOST = "127.0.0.1"
ROUNDS = 7
WARM_SECONDS = 1.0
PREPARED_PER_SECOND = 4000
BARE = "空转"
NOT_STARTED = "对照的服务没有起来"
LOST = "少了：确认了 {acked} 条，库里只有 {kept} 条"
LINE = "{name:<10} 最快 {per_second:7.0f} 条/秒  p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f} ms"
HALF_LINE = "{name:<10} 一半 {per_second:7.0f} 条/秒  p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f} ms"
RATIO_LINE = "{name:<10} 是空转的 {ratio:.2f} 倍；确认了 {acked} 条，库里 {kept} 条，一条不少"
CONFIG = """
state_directory = "{folder}/var"
[server]
port = 0
[database]
url = "{url}"
[knowledge]
directory = "{folder}/chroma"
[schedule]
enabled = false
[cluster]
works = false
[tenants.bench.wecom]
corp_id = "{app.corp_id}"
agent_id = {app.agent_id}
secret = "unused"
token = "{token}"
aes_key = "{aes_key}"
freshness_seconds = 3600
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is measured: its name, its port, and what it has acknowledged."""

    name: str
    port: int
    url: str = ""


async def measure_wire(seconds: float, connections: int, server: str | None) -> tuple[list[str], object]:
    """Return lines and figures for the bare loop, ours with SQLite, and ours with a database server if one is named."""
    app = _app()
    lines: list[str] = []
    figures: dict[str, object] = {}
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(_bare(app))
        ours = [await stack.enter_async_context(_ours("SQLite", app, None))]
        if server:
            ours.append(await stack.enter_async_context(_ours("MariaDB", app, server)))
        for target in ours:
            told, figure = await _compare(bare, target, app, seconds, connections)
            lines += told
            figures[target.name] = figure
    return lines, figures


async def _compare(
    bare: Target, ours: Target, app: WecomSettings, seconds: float, count: int
) -> tuple[list[str], dict[str, object]]:
    """Measure the two in turns and check that nothing acknowledged is missing."""
    callers = {target: Caller(target, await connect(HOST, target.port, count), app) for target in (bare, ours)}
    rounds: dict[Target, list[Figures]] = {bare: [], ours: []}
    for caller in callers.values():
        await caller.fast(WARM_SECONDS)
    for _ in range(ROUNDS):
        for target, caller in callers.items():
            rounds[target].append(await caller.fast(seconds))
    middle = {target: _middle(of_target) for target, of_target in rounds.items()}
    half = await callers[ours].paced(seconds, middle[ours].per_second / 2)
    acked, kept = callers[ours].acked, await _kept(ours.url)
    if kept != acked:
        raise BenchFailed(LOST.format(acked=acked, kept=kept))
    ratio = _ratio(rounds[ours], rounds[bare])
    lines = [LINE.format(name=target.name, **asdict(figures)) for target, figures in middle.items()]
    lines.append(HALF_LINE.format(name=ours.name, **asdict(half)))
    lines.append(RATIO_LINE.format(name=ours.name, ratio=ratio, acked=acked, kept=kept))
    told = {"bare": asdict(middle[bare]), "ours": asdict(middle[ours]), "half": asdict(half)}
    return lines, {**told, "ratio": ratio, "acked": acked, "kept": kept}


def _ratio(ours: list[Figures], bare: list[Figures]) -> float:
    """Return the middle of what each pair of rounds comes to: a machine changes its pace between pairs."""
    return statistics.median(mine.per_second / other.per_second for mine, other in zip(ours, bare, strict=True))


def _middle(rounds: list[Figures]) -> Figures:
    """Return the round in the middle by its speed."""
    return sorted(rounds, key=lambda figures: figures.per_second)[len(rounds) // 2]


class Caller:
    """Calls one server with callbacks that are each a new message, and counts what it acknowledged."""

    def __init__(self, target: Target, connections: list[Connection], app: WecomSettings) -> None:
        self.acked = 0
        self._connections = connections
        self._callbacks = Callbacks(app, time.time)
        self._port = target.port
        self._prepared: list[bytes] = []

    async def fast(self, seconds: float) -> Figures:
        """Call as fast as the server answers."""
        self._prepare(int(seconds * PREPARED_PER_SECOND))
        return self._counted(await as_fast_as_possible(self._connections, self._next, seconds))

    async def paced(self, seconds: float, per_second: float) -> Figures:
        """Call at this rate."""
        self._prepare(int(seconds * per_second) + 1)
        return self._counted(await at_a_rate(self._connections, self._next, seconds, per_second))

    def _counted(self, figures: Figures) -> Figures:
        self.acked += figures.count
        return figures

    def _prepare(self, count: int) -> None:
        """Encrypt beforehand, so that the round measures the server and not this process."""
        self._prepared += [self._request() for _ in range(count - len(self._prepared))]

    def _next(self) -> bytes:
        return self._prepared.pop() if self._prepared else self._request()

    def _request(self) -> bytes:
        callback = self._callbacks.message("bench", "text", {"Content": "最近7天各门店GMV、客单价、订单数"})
        head = (
            f"POST /wecom/bench/app?{urlencode(callback.query)} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\n"
            f"Content-Type: text/xml\r\nContent-Length: {len(callback.body)}\r\n\r\n"
        )
        return head.encode() + callback.body


def _app() -> WecomSettings:
    return WecomSettings(
        corp_id="ww0123456789abcdef",
        agent_id=1000002,
        secret=SecretStr("unused"),
        token=SecretStr(secrets.token_hex(8)),
        aes_key=SecretStr(secrets.token_hex(32)[:43]),
    )


@asynccontextmanager
async def _bare(app: WecomSettings) -> AsyncIterator[Target]:
    arguments = (app.corp_id, app.token.get_secret_value(), app.aes_key.get_secret_value())
    async with _process("-m", "bot.cli.bench.bare", *arguments) as process:
        if process.stdout is None or not (port := (await process.stdout.readline()).decode().strip()):
            raise BenchFailed(NOT_STARTED)
        yield Target(BARE, int(port))


@asynccontextmanager
async def _ours(name: str, app: WecomSettings, server: str | None) -> AsyncIterator[Target]:
    """Serve with a database of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        async with _database(folder, server) as url:
            config = Path(folder) / "config.toml"
            token, aes_key = app.token.get_secret_value(), app.aes_key.get_secret_value()
            config.write_text(CONFIG.format(folder=folder, url=url, app=app, token=token, aes_key=aes_key), "utf-8")
            async with _process("-m", "bot", "--config", str(config), "serve") as process:
                address = await address_of(process)
                yield Target(name, int(address.rpartition(":")[2]), url)


@asynccontextmanager
async def _database(folder: str, server: str | None) -> AsyncIterator[str]:
    if server is None:
        yield f"sqlite+aiosqlite:///{folder}/bench.db"
        return
    name = f"daogou_bench_{secrets.token_hex(4)}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.execute(text(f"DROP DATABASE {name}"))
    await engine.dispose()


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _kept(url: str) -> int:
    database = Database(url)
    try:
        async with database.read() as session:
            return await session.scalar(select(func.count()).select_from(Inbox)) or 0
    finally:
        await database.close()
