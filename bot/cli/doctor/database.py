"""The database: whether it can be reached, is of this program's version, and is set as we need it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import URL, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from bot.cli.doctor.facts import Facts, Rows, read_facts
from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.web import ClockSample
from bot.usage import month_of
from db.base import Base
from db.engine import Database
from db.migrate import current_revision, newest_revision, revisions

log = structlog.get_logger()

SECONDS = 4.5
NAMES = {"sqlite": "SQLite", "mysql": "MySQL / MariaDB", "mariadb": "MariaDB"}
CODE = "database.reachable"
MESSAGES = "消息"
KEY = "config.toml 的 [database] url"
LIKE_THIS = "mysql+aiomysql://用户:密码@主机:3306/库名"
# What the server answers before it lets one in (MySQL error reference, chapters 2 and 3).
DENIED, NO_DATABASE, NOT_REACHED = frozenset({1044, 1045, 1698}), frozenset({1049}), frozenset({2002, 2003, 2005})
OLDEST = {"MySQL": (8, 0), "MariaDB": (10, 6)}
VARIABLES = (
    "version",
    "character_set_database",
    "time_zone",
    "tx_isolation",
    "transaction_isolation",
    "log_bin",
    "binlog_format",
)


VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """The findings, what the tables say (None when they cannot be read) and how the server's clock goes."""

    findings: list[Finding]
    facts: Facts | None = None
    clock: ClockSample | None = None


async def check_database(address: str, now: datetime) -> DatabaseReport:
    """Look at the database at this address within a few seconds."""
    try:
        url = make_url(address)
    except ArgumentError:
        return DatabaseReport([_unusable("读不懂")])
    name = f"数据库（{NAMES.get(url.get_backend_name(), url.get_backend_name())}）"
    if _is_missing(url):
        fix = "演示：daogou serve --demo；正式：daogou serve 第一次启动时会建"
        return DatabaseReport([HERE.warn("database.missing", name, f"{url.database} 还没有建", fix)])
    try:
        database = Database(address)
    except (NoSuchModuleError, ImportError, SQLAlchemyError):
        return DatabaseReport([_unusable("的驱动不对")])
    try:
        async with asyncio.timeout(SECONDS):
            return await _look(database, name, now)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.info("doctor.database", error=type(error).__name__)
        return DatabaseReport([_not_reached(name, url, error)])
    finally:
        await database.close()


async def _look(database: Database, name: str, now: datetime) -> DatabaseReport:
    findings, clock = [HERE.ok(CODE, name, "连得上")], None
    if not database.is_sqlite:
        settings, clock = await _server(database, now)
        findings += settings
    revision = await _revision(database)
    findings.append(revision)
    if revision.state != "ok":
        return DatabaseReport(findings, None, clock)
    facts = await read_facts(database, now - clock.ahead if clock else now, month_of(now))
    return DatabaseReport([*findings, *_contents(facts)], facts, clock)


def _is_missing(url: URL) -> bool:
    file = url.database or ""
    return url.get_backend_name() == "sqlite" and file != ":memory:" and not Path(file).exists()


def _unusable(why: str) -> Finding:
    fix = f"写成 sqlite+aiosqlite:///var/daogou.db 或 {LIKE_THIS}；密码里的 @ / : # 要写成 %40 %2F %3A %23"
    return HERE.fail("database.url", "数据库", f"{KEY} {why}", fix)


def _not_reached(name: str, url: URL, error: Exception) -> Finding:
    code, where = _error_code(error), f"{url.host}:{url.port or 3306}"
    if code in DENIED:
        fix = f"改 {KEY} 里的用户和密码，或在数据库里 GRANT ALL ON {url.database}.* TO 这个用户"
        return HERE.fail("database.denied", name, f"{where} 不让登录：用户、密码或权限不对（{code}）", fix)
    if code in NO_DATABASE:
        fix = f"在数据库里执行 CREATE DATABASE {url.database} CHARACTER SET utf8mb4"
        return HERE.fail("database.no_database", name, f"{where} 上没有叫 {url.database} 的库", fix)
    if url.get_backend_name() == "sqlite":
        fix = f"确认 {url.database} 没有坏、没有被别的程序长时间锁住、运行 daogou 的用户能读写；坏了就从备份恢复"
        return HERE.fail("database.file", name, f"{url.database} 打不开（{type(error).__name__}）", fix)
    why = "没有在几秒内应答" if isinstance(error, TimeoutError) else f"连不上（{code or type(error).__name__}）"
    fix = f"确认数据库启动了、这台机器能访问 {where}（防火墙），再核对 {KEY} 里的主机和端口"
    return HERE.fail(CODE, name, f"{where} {why}", fix)


def _error_code(error: Exception) -> int | None:
    origin = error.orig if isinstance(error, DBAPIError) else error
    first = origin.args[0] if origin is not None and origin.args else None
    return first if isinstance(first, int) else None


async def _server(database: Database, now: datetime) -> tuple[list[Finding], ClockSample]:
    """Return how the server is set, and how far our clock is ahead of its."""
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    async with database.read() as session:
        said: datetime = (await session.execute(text("SELECT UTC_TIMESTAMP(6)"))).scalar_one()
        rows = await session.execute(text(f"SHOW VARIABLES WHERE Variable_name IN ({names})"))
        variables = {str(name): str(value) for name, value in rows}
    clock = ClockSample("数据库", now - said.replace(tzinfo=UTC))
    return server_settings(variables, database.url.database or ""), clock


def server_settings(variables: Mapping[str, str], name: str) -> list[Finding]:
    """Return what is wrong with the server's variables for the database of this name, or that nothing is."""
    right = HERE.ok("database.settings", "数据库设置", "utf8mb4、READ COMMITTED、UTC")
    return list(_wrong_settings(variables, name)) or [right]


def _wrong_settings(variables: Mapping[str, str], name: str) -> Iterator[Finding]:
    version = variables.get("version", "")
    kind = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    if (numbers := VERSION.match(version)) and (int(numbers[1]), int(numbers[2])) < OLDEST[kind]:
        detail = f"{kind} {numbers[0]} 太旧"
        yield HERE.fail("database.version", "数据库版本", detail, "升级到 MySQL 8.0 或 MariaDB 10.6 以上，升级前先备份")
    if (charset := variables.get("character_set_database", "")) != "utf8mb4":
        fix = (
            f"先备份，再执行 ALTER DATABASE {name} CHARACTER SET utf8mb4；"
            "已经有表的，每张表还要 ALTER TABLE 表名 CONVERT TO CHARACTER SET utf8mb4"
        )
        yield HERE.fail("database.charset", "字符集", f"库的字符集是 {charset}，存不下表情和生僻字", fix)
    isolation = variables.get("transaction_isolation") or variables.get("tx_isolation", "")
    if isolation != "READ-COMMITTED":
        fix = "有中间件（如 ProxySQL）在改连接的设置：让它放行 SET SESSION TRANSACTION ISOLATION LEVEL"
        yield HERE.fail("database.isolation", "事务隔离", f"是 {isolation}，应当是 READ-COMMITTED", fix)
    if variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT":
        fix = "在数据库配置里把 binlog_format 改成 ROW 或 MIXED 并重启：READ COMMITTED 下 STATEMENT 不能写入"
        yield HERE.fail("database.binlog", "二进制日志", "binlog_format 是 STATEMENT", fix)
    if (zone := variables.get("time_zone")) != "+00:00":
        fix = "有中间件在改连接的设置：让它放行 SET time_zone"
        yield HERE.warn("database.time_zone", "时区", f"连接的时区是 {zone}，应当是 +00:00", fix)


async def _revision(database: Database) -> Finding:
    code, what, newest = "database.revision", "表结构", newest_revision()
    found = await current_revision(database)
    if found == newest:
        return HERE.ok(code, what, f"版本 {found}")
    if found is not None and found not in revisions():
        fix = "升级 daogou 到写这个库的那个版本，或换一个数据库"
        return HERE.fail("database.too_new", what, f"版本 {found}，比这个程序认识的 {newest} 新", fix)
    if found is None and await _has_tables(database):
        fix = "上一次升级可能中断了：从备份恢复；没有数据的话，清空这个库再启动 daogou serve"
        return HERE.fail("database.half_done", what, "有表却没有版本记录", fix)
    fix = "daogou serve 启动时会自动升级；升级前先备份"
    return HERE.warn(code, what, f"版本 {found or '空'}，要升级到 {newest}", fix)


async def _has_tables(database: Database) -> bool:
    async with database.reader.connect() as connection:
        names = await connection.run_sync(lambda plain: set(inspect(plain).get_table_names()))
    return bool(names & set(Base.metadata.tables))


def _contents(facts: Facts) -> list[Finding]:
    return [_tenants(facts), *_messages(facts)]


def _tenants(facts: Facts) -> Finding:
    code, what = "database.tenants", "企业"
    if not facts.tenants:
        fix = "演示：daogou serve --demo；正式：在 config.toml 里加 [tenants.xxx]，再启动 daogou serve"
        return HERE.warn(code, what, "还没有", fix)
    return HERE.ok(code, what, "、".join(f"{key}（{one.staff} 位员工）" for key, one in facts.tenants.items()))


def _messages(facts: Facts) -> list[Finding]:
    return list(_troubled(facts.rows)) or [HERE.ok("messages.failed", MESSAGES, "没有积压，没有失败")]


def _troubled(rows: Rows) -> Iterator[Finding]:
    if rows.waiting or rows.unsent:
        detail = f"{rows.waiting} 条收到的和 {rows.unsent} 条要发的，等了 5 分钟以上还没有人处理"
        fix = (
            "确认至少有一台 daogou serve 在运行，而且它的 config.toml 里 [cluster] works = true；"
            "要发的还要看下面的平台连不连得上"
        )
        yield HERE.fail("messages.waiting", MESSAGES, detail, fix)
    if rows.dead:
        fix = "在日志里搜 dispatch.dead 看原因；修好后请对方再说一遍"
        yield HERE.warn("messages.dead", MESSAGES, f"{rows.dead} 条处理失败，对方没有得到回答", fix)
    if rows.failed or rows.unknown:
        detail = f"{rows.failed} 条没有发出去，{rows.unknown} 条不知道有没有送达"
        fix = (
            "daogou outbox list 看每条的原因；修好后 daogou outbox retry 编号"
            "（不知道有没有送达的先问一声），不发了就 daogou outbox drop 编号"
        )
        yield HERE.warn("messages.failed", MESSAGES, detail, fix)
