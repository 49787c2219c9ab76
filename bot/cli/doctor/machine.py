"""This machine: Python, disk, where files are kept, what waits in them, the key, and whether the server runs here."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio.to_thread

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import Unreachable
from bot.cli.doctor.when import ago
from bot.config import Settings
from bot.workers import SPOOL_FILE

PYTHONS = ((3, 11), (3, 13))
ENOUGH_DISK = 500 * 2**20
NEARLY_FULL = 0.8
BUSY_SECONDS = 1.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what one listens on is not where one asks


async def check_machine(visit: Visit) -> list[Finding]:
    """Return what this machine is like."""
    settings = visit.settings
    kept = await anyio.to_thread.run_sync(_files, settings, visit.clock())
    return [_python(), *kept, await _server(visit)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return HERE.ok("machine.python", "Python", version)
    return HERE.warn("machine.python", "Python", f"{version} 没有测试过", "请用 Python 3.11、3.12 或 3.13")


def _files(settings: Settings, now: datetime) -> list[Finding]:
    directory = settings.state_directory
    return [_disk(directory), _directory(directory), *_spool(directory / SPOOL_FILE, settings.spool.max_rows, now)]


def _disk(directory: Path) -> Finding:
    place = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"剩余 {free / 2**30:.1f} GB"
    if free < ENOUGH_DISK:
        fix = "清理磁盘，至少留出 500 MB；满了以后消息会收不进来"
        return HERE.fail("machine.disk", "磁盘", detail, fix)
    return HERE.ok("machine.disk", "磁盘", detail)


def _directory(directory: Path) -> Finding:
    if not directory.exists():
        return HERE.ok("machine.state_directory", "数据目录", f"{directory} 还没有，第一次启动时会建")
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        fix = f"让运行 daogou 的用户能写 {directory}（例如 chown -R），或改 config.toml 的 state_directory"
        return HERE.fail("machine.state_directory", "数据目录", f"{directory} 写不进去（{error.strerror}）", fix)
    return HERE.ok("machine.state_directory", "数据目录", f"{directory} 能写")


def _spool(path: Path, most: int, now: datetime) -> list[Finding]:
    """Say what waits for the database; only looked at, the file belongs to the server."""
    if not path.exists():
        return [HERE.ok("spool.waiting", "暂存的消息", "没有")]
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as file:
            waiting = file.execute("SELECT COUNT(*) FROM spool").fetchone()[0]
            oldest = file.execute("SELECT row FROM spool ORDER BY id LIMIT 1").fetchone()
            reasons = file.execute("SELECT reason, COUNT(*) FROM set_aside GROUP BY reason ORDER BY 1").fetchall()
    except sqlite3.Error as error:
        fix = f"停掉服务，把 {path} 改名留底再启动；里面是数据库断开时收下的消息，请交给开发者取出"
        return [HERE.fail("spool.unreadable", "暂存的消息", f"{path} 打不开（{type(error).__name__}）", fix)]
    return [_waiting(waiting, oldest, most, now), *([_set_aside(path, reasons)] if reasons else [])]


def _waiting(waiting: int, oldest: tuple[str] | None, most: int, now: datetime) -> Finding:
    if oldest is None:
        return HERE.ok("spool.waiting", "暂存的消息", "没有")
    since = datetime.fromisoformat(json.loads(oldest[0])["received_at"])
    detail = f"{waiting} 条在等数据库恢复，最早的 {ago(since, now)}"
    fix = "先让数据库恢复，daogou serve 会自动补进去，不会丢也不会重复"
    if waiting >= most * NEARLY_FULL:
        fix = f"{fix}；快到上限 {most} 条了，可以调大 config.toml 的 [spool] max_rows"
        return HERE.fail("spool.nearly_full", "暂存的消息", detail, fix)
    return HERE.warn("spool.waiting", "暂存的消息", detail, fix)


def _set_aside(path: Path, reasons: list[tuple[Any, ...]]) -> Finding:
    total = sum(count for _, count in reasons)
    detail = f"{total} 条数据库不收：{'、'.join(f'{reason} {count} 条' for reason, count in reasons)}"
    look = "SELECT id, reason, row FROM set_aside"
    fix = f'看是哪些：sqlite3 {path} "{look}"（row 里有聊天内容，注意保密），再报给开发者'
    return HERE.warn("spool.set_aside", "放到一边的消息", detail, fix)


async def _server(visit: Visit) -> Finding:
    """Ask the server of this machine how it is; it may well run on another."""
    server = visit.settings.server
    host = EVERYWHERE.get(server.host, server.host)
    address = f"{host}:{server.port}"
    code, what = "machine.server", "服务"
    try:
        async with visit.web.client(f"http://{host}") as http:
            response = await visit.web.ask(http, "GET", f"http://{address}/healthz")
    except Unreachable as error:
        fix = "启动它：daogou serve（在别的机器上运行就不用管；换过端口请写进 config.toml 的 [server] port）"
        return HERE.warn(code, what, f"{address} 没有在运行：{error.words}", fix)
    if response.status_code == 200 and '"database"' in response.text:
        return HERE.ok(code, what, f"{address} 在运行")
    if response.status_code == 503 and '"database"' in response.text:
        return HERE.fail(code, what, f"{address} 在运行，但它连不上数据库", "先看下面「数据库」一项；修好后会自动恢复")
    fix = "端口被别的程序占了：换一个，写进 config.toml 的 [server] port，再启动 daogou serve"
    return HERE.warn(code, what, f"{address} 应答的不是导购（HTTP {response.status_code}）", fix)
