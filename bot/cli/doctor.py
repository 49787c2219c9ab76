"""`daogou doctor`: what works on this installation, line by line, and what to do about the rest."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import httpx
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.config import DingtalkSettings, Settings, WecomSettings
from bot.json_text import to_json
from bot.platforms.base import SendError
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.wecom.platform import WecomPlatform
from db.engine import Database
from db.migrate import current_revision, newest_revision
from db.models import Inbox, Outbox, Staff, Tenant

State = Literal["ok", "warn", "fail"]
MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
ENOUGH_DISK = 500 * 2**20
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do."""

    what: str
    state: State
    detail: str
    fix: str = ""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="逐项检查，并告诉您怎么修")
    parser.add_argument("--json", action="store_true", help="输出 JSON")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the findings; 1 when something does not work."""
    findings = await examine(settings)
    if args.json:
        print(to_json([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{MARKS[finding.state]} {finding.what}：{finding.detail}")
            if finding.fix:
                print(f"    → {finding.fix}")
    return int(any(finding.state == "fail" for finding in findings))


async def examine(settings: Settings) -> list[Finding]:
    """Return every finding, in the order in which things depend on each other."""
    findings = [_python(), _disk(settings.state_directory)]
    findings += await _database(settings.database.url.get_secret_value())
    findings.append(_knowledge(settings.knowledge.directory))
    findings.append(_llm(settings))
    findings.append(_weather(settings))
    findings.append(await _crm(settings))
    for key, tenant in settings.tenants.items():
        if tenant.wecom is not None:
            findings.append(await _wecom(key, tenant.wecom))
        if tenant.dingtalk is not None:
            findings.append(await _dingtalk(key, tenant.dingtalk))
    if not settings.tenants:
        fix = "演示不需要；正式使用请照 config.example.toml 填写"
        findings.append(Finding("平台", "warn", "没有配置企业微信或钉钉", fix))
    return findings


def _python() -> Finding:
    return Finding("Python", "ok", sys.version.split()[0])


def _disk(directory: Path) -> Finding:
    place = directory if directory.exists() else Path()
    free = shutil.disk_usage(place).free
    detail = f"剩余 {free / 2**30:.1f} GB"
    if free < ENOUGH_DISK:
        return Finding("磁盘", "fail", detail, "请清理磁盘，至少留出 500 MB")
    return Finding("磁盘", "ok", detail)


async def _database(url: str) -> list[Finding]:
    database = Database(url)
    name = f"数据库（{database.url.get_backend_name()}）"
    if _is_missing_file(database):
        await database.close()
        return [Finding(name, "warn", "还没有建", "演示：daogou serve --demo；或 daogou seed")]
    try:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
        return [Finding(name, "ok", "连得上"), *await _contents(database)]
    except (SQLAlchemyError, OSError) as error:
        fix = "检查 [database] url 里的地址、库名、用户和密码，以及数据库是否启动"
        return [Finding(name, "fail", type(error).__name__, fix)]
    finally:
        await database.close()


def _is_missing_file(database: Database) -> bool:
    return database.is_sqlite and not Path(database.url.database or "").exists()


async def _contents(database: Database) -> list[Finding]:
    revision = await current_revision(database)
    if revision != newest_revision():
        fix = "启动服务或执行 daogou seed 时会自动升级"
        return [Finding("表结构", "warn", f"版本 {revision or '空'}，需要升级", fix)]
    async with database.read() as session:
        tenants = (await session.scalars(select(Tenant))).all()
        staff = await session.scalar(select(func.count()).select_from(Staff)) or 0
        dead = await session.scalar(select(func.count()).where(Inbox.status == "dead")) or 0
        stuck = await session.scalar(select(func.count()).where(Outbox.status.in_(("failed", "unknown")))) or 0
    names = "、".join(tenant.key for tenant in tenants) or "没有"
    found = [Finding("表结构", "ok", f"版本 {revision}")]
    fix = "" if tenants else "演示：daogou serve --demo；正式：在配置里加 [tenants.xxx]"
    found.append(Finding("企业", "ok" if tenants else "warn", f"{names}，{staff} 位员工", fix))
    fix = "在 /admin 看每一条的原因" if dead or stuck else ""
    detail = f"处理失败 {dead} 条，发送失败或未知 {stuck} 条"
    found.append(Finding("消息", "warn" if dead or stuck else "ok", detail, fix))
    return found


def _knowledge(directory: Path) -> Finding:
    if directory.exists():
        return Finding("知识库索引", "ok", str(directory))
    return Finding("知识库索引", "warn", f"{directory} 还没有建", "daogou kb load")


def _llm(settings: Settings) -> Finding:
    if settings.llm.api_key is None:
        return Finding("大模型", "ok", "没有设置密钥，全部使用规则和模板")
    return Finding("大模型", "ok", f"{settings.llm.model}（{settings.llm.base_url}）")


def _weather(settings: Settings) -> Finding:
    weather = settings.weather
    if weather.provider == "sample":
        fix = '正式使用请设 weather.provider = "caiyun" 和 weather.token'
        return Finding("天气", "warn", "示例天气，不是真的", fix)
    if weather.token is None:
        return Finding("天气", "fail", "彩云天气没有 token", "在彩云开放平台申请后填到 weather.token")
    return Finding("天气", "ok", "彩云天气")


async def _crm(settings: Settings) -> Finding:
    if not settings.crm.base_url:
        return Finding("CRM", "warn", "自带的模拟 CRM，发的券不是真的", "正式使用请设 crm.base_url")
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            await client.get(settings.crm.base_url)
    except httpx.HTTPError as error:
        return Finding("CRM", "fail", f"连不上（{type(error).__name__}）", "检查 crm.base_url 和网络")
    return Finding("CRM", "ok", "连得上")


async def _wecom(key: str, settings: WecomSettings) -> Finding:
    platform = WecomPlatform(settings)
    fix = "检查 corp_id、secret 和企业可信 IP"
    return await _credentials(f"企业微信（{key}）", platform.check, platform.close, fix)


async def _dingtalk(key: str, settings: DingtalkSettings) -> Finding:
    platform = DingtalkPlatform(settings)
    fix = "检查 client_id、client_secret，应用要已发布"
    return await _credentials(f"钉钉（{key}）", platform.check, platform.close, fix)


async def _credentials(
    what: str, check: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]], fix: str
) -> Finding:
    """Fetch an access token, the call that needs nothing but right credentials."""
    try:
        await check()
    except SendError as error:
        return Finding(what, "fail", error.reason, fix)
    finally:
        await close()
    return Finding(what, "ok", "凭据有效")
