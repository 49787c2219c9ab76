"""`daogou serve`: the server; with `--demo`, a whole pretend chain with two phones in the browser."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bot.cli.arguments import port_number
from bot.config import Settings
from bot.runtime import load_knowledge
from bot.server import ADMIN, DEADLINE, DEMO_TENANT, READINESS, STAGE, build_app
from db.engine import Database
from db.migrate import MigrationError, migrate
from db.models import Tenant
from db.seed import SeedError, seed
from handlers.clock import DEFAULT_ZONE
from handlers.intents import Handler

EPILOG = """\
例子：
  daogou serve --demo                演示：假的企业微信和钉钉，真的代码；第一次会生成数据，约半分钟
  daogou serve --demo --port 9000
  daogou --config config.toml serve  正式：按配置文件连接平台
"""
PORT_TAKEN = "端口 {port} 已经被占用。换一个再试，例如：make demo PORT={other}（或 daogou serve --demo --port {other}）"
PORT_FORBIDDEN = "不能使用 {host}:{port}：{why}"
DISK_FULL = "磁盘空间不够了，请清理后再启动。已有的数据没有丢。"
DATABASE_GONE = "连不上数据库，或者它不让用：{why}\n  请检查配置里的 database.url，以及数据库服务是否在运行。"
READY = "准备好了（{seconds:.1f} 秒）"
SANDBOX = "  沙盒（两部手机）  http://{host}:{port}/sandbox"
ADMIN_PAGE = "  管理页            http://{host}:{port}/admin    一次性密码 {password}"
STOP = "  按 Ctrl+C 停止"
STOPPING = "正在停止，把手上的消息处理完……"
FIRST_TIME = "→ 第一次启动：生成演示数据（4 万笔订单）"
INDEXING = "→ 建立知识库：{count} 篇"


# How long a load balancer has to see that no new work is wanted, and requests under way have to be answered.
NOTICED_SECONDS = 0.5
# New objects until the youngest are looked through; then how often the older ones are (`gc.set_threshold`).
GARBAGE = (20_000, 20, 20)
SWITCH_SECONDS = 0.0005
REQUEST_SECONDS = 3.0
MOST_SOCKETS = 65_536


class CannotStart(Exception):
    """The server cannot start; the message says what to do."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve", help="启动服务", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", action="store_true", help="演示：不需要账号和密钥")
    parser.add_argument("--host", help="监听地址（默认 127.0.0.1）")
    parser.add_argument("--port", type=port_number, help="端口（默认 8080）")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal comes."""
    settings = with_arguments(settings, args)
    try:
        listening = listen(settings.server.host, settings.server.port)
        if settings.demo:
            await prepare_demo(settings)
        await serve(settings, listening)
    except (CannotStart, MigrationError, SeedError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except (OperationalError, OSError) as error:
        if not is_disk_full(error) and not isinstance(error, OperationalError):
            raise
        said = DISK_FULL if is_disk_full(error) else DATABASE_GONE.format(why=getattr(error, "orig", error))
        print(f"✗ {said}", file=sys.stderr)
        return 1
    return 0


def with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    """Return the settings with what the command line overrides."""
    server = settings.server.model_copy(
        update={name: value for name in ("host", "port") if (value := getattr(args, name)) is not None}
    )
    return settings.model_copy(update={"server": server, "demo": settings.demo or args.demo})


def is_disk_full(error: Exception) -> bool:
    """Whether the system said that no space is left."""
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow begins; `CannotStart` where it is not to be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(PORT_TAKEN.format(port=port, other=port + 1)) from error
        raise CannotStart(PORT_FORBIDDEN.format(host=host, port=port, why=error.strerror)) from error
    return listening


async def prepare_demo(settings: Settings) -> None:
    """Make the demo chain and its knowledge base where they are not there yet; say what is going on."""
    database = Database(settings.database.url.get_secret_value())
    try:
        await migrate(database)
        async with database.read() as session:
            known = await session.scalar(select(Tenant.id).where(Tenant.key == DEMO_TENANT))
        if known is None:
            print(FIRST_TIME, flush=True)
            today = datetime.now(ZoneInfo(DEFAULT_ZONE)).date()
            figures = await seed(database, today, tenant_key=DEMO_TENANT, progress=_progress)
            print("\n".join(f"  {line}" for line in figures.lines()), flush=True)
            print(INDEXING.format(count=await load_knowledge(database, DEMO_TENANT)), flush=True)
    finally:
        await database.close()


def _progress(line: str) -> None:
    print(f"  {line}", flush=True)


async def serve(settings: Settings, listening: socket.socket, own_handlers: Sequence[Handler] = ()) -> None:
    """Serve on this socket until the process is asked to stop, then finish what is under way."""
    started = time.perf_counter()
    allow_many_sockets()
    let_threads_in()
    app = build_app(settings, own_handlers=own_handlers)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=REQUEST_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        settle_garbage()
        if settings.demo:
            app[STAGE].listens(f"http://{settings.server.host}:{listening.getsockname()[1]}")
        _announce(settings, app, listening.getsockname()[1], time.perf_counter() - started)
        await _signalled()
        print(STOPPING, flush=True)
        app[READINESS].stopping = True
        app[DEADLINE].begin()
        await asyncio.sleep(NOTICED_SECONDS)
    finally:
        await runner.cleanup()


def allow_many_sockets() -> None:
    """Take as many open files as the system gives: with the usual 1024, a thousand idle callers keep everybody out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_SOCKETS if hard == resource.RLIM_INFINITY else min(hard, MOST_SOCKETS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_garbage() -> None:
    """Keep the collector off what is loaded for good, and from looking after every few callbacks.

    Looking through everything stops every callback for a while; at Python's own pace (700 objects) it took a seventh
    of the time of a callback.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def let_threads_in() -> None:
    """Hand over to a thread that has its result after half a millisecond, not after five (`sys.getswitchinterval`).

    The database's thread waits for the interpreter once a commit or more, and with it every callback of the batch.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def _announce(settings: Settings, app: web.Application, port: int, seconds: float) -> None:
    host = settings.server.host
    print(READY.format(seconds=seconds))
    if settings.demo:
        print(SANDBOX.format(host=host, port=port))
    print(ADMIN_PAGE.format(host=host, port=port, password=app[ADMIN].password))
    print(STOP, flush=True)


async def _signalled() -> None:
    """Return when the process is asked to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
