"""One visit: every check at the same time, each within its seconds, the findings in the order in which things depend.

database ─→ what it knows ─→ the checks that need it
machine, cluster, model, CRM, weather, every channel ─→ findings
what the clocks of platforms said on the way ─→ whether ours is right
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.cli.doctor.aibot import check_aibot
from bot.cli.doctor.clock import check_clock
from bot.cli.doctor.cluster import check_cluster
from bot.cli.doctor.crm import check_crm
from bot.cli.doctor.database import DatabaseReport, check_database
from bot.cli.doctor.dingtalk import check_dingtalk
from bot.cli.doctor.dingtalk_group import check_dingtalk_groups
from bot.cli.doctor.facts import Facts
from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.knowledge import check_knowledge
from bot.cli.doctor.llm import check_llm
from bot.cli.doctor.machine import check_machine
from bot.cli.doctor.public_url import check_public_url
from bot.cli.doctor.secret_key import check_secret_key
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.weather import check_weather
from bot.cli.doctor.web import Web
from bot.cli.doctor.wecom import check_wecom
from bot.cli.doctor.wecom_group import check_wecom_groups
from bot.config import Settings, TenantSettings
from bot.runtime import utc_now
from db.engine import Database
from db.usage import UsageKey, add_usage

log = structlog.get_logger()

# All checks together; each call within them ends sooner.
SECONDS = 9.0

Check = Callable[[Visit], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Named:
    """A check with whom it is about, for when it does not come to an end."""

    subject: Subject
    what: str
    check: Check


async def examine(
    settings: Settings, *, tenant: str | None = None, free: bool = False, clock: Callable[[], datetime] = utc_now
) -> list[Finding]:
    """Return every finding; `tenant` leaves out the channels of others, `free` what costs something."""
    settings = _only(settings, tenant)
    facts: asyncio.Future[Facts | None] = asyncio.get_running_loop().create_future()
    visit = Visit(settings, clock, Web(clock), facts, settings.server.public_url, tenant, free)
    checks = [_within(visit, one) for one in (*INSTALLATION, *_channels(settings))]
    report, groups = await asyncio.gather(_database(visit), asyncio.gather(*checks))
    machine, *others = groups
    await _note_spent(visit)
    clocks = check_clock(visit.web.samples, report.clock, settings)
    found = [*machine, *clocks, *check_public_url(settings), *report.findings]
    found += _without_rows(settings, report)
    found += [one for findings in others for one in findings]
    found += [] if settings.tenants else [_nobody(report)]
    # What concerns the whole installation first, then tenant by tenant as they came.
    tenants = list(dict.fromkeys(one.tenant for one in found))
    return sorted(found, key=lambda one: (bool(one.tenant), tenants.index(one.tenant)))


def _only(settings: Settings, tenant: str | None) -> Settings:
    if tenant is None:
        return settings
    kept = {key: one for key, one in settings.tenants.items() if key == tenant}
    return settings.model_copy(update={"tenants": kept})


async def _database(visit: Visit) -> DatabaseReport:
    """Look at the database and let everybody who waits have what it knows."""
    try:
        report = await check_database(visit.settings.database.url.get_secret_value(), visit.clock())
    except Exception as error:
        # As in `_within`: the others do not stop for it.
        log.exception("doctor.check_failed", check="数据库")
        report = DatabaseReport([_broken(HERE, "数据库", error)])
    visit.facts.set_result(report.facts)
    return report


async def _within(visit: Visit, named: Named) -> list[Finding]:
    """Return what a check finds; one that hangs or breaks does not take the others along."""
    try:
        async with asyncio.timeout(SECONDS):
            return await named.check(visit)
    except TimeoutError:
        fix = "过一会儿再查；一直这样就执行 daogou --log-level INFO doctor，看卡在哪里"
        return [named.subject.fail("doctor.too_slow", named.what, f"{SECONDS:.0f} 秒内没有查完", fix)]
    except Exception as error:
        # The outermost loop of a check: what is broken in one of them is told beside the others' findings.
        log.exception("doctor.check_failed", check=named.what)
        return [_broken(named.subject, named.what, error)]


def _broken(subject: Subject, what: str, error: Exception) -> Finding:
    fix = "这是导购自己的问题：执行 daogou --log-level ERROR doctor，把日志发给开发者"
    return subject.fail("doctor.broken", what, f"检查没有做成（{type(error).__name__}）", fix)


async def _note_spent(visit: Visit) -> None:
    """Add the metered calls of this visit to the month's, so that the count stays true."""
    counts: Mapping[UsageKey, int] = dict(visit.spent)
    if not counts:
        return
    database = Database(visit.settings.database.url.get_secret_value())
    try:
        async with asyncio.timeout(1.0):
            await add_usage(database, counts)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("doctor.usage_not_written", error=type(error).__name__)
    finally:
        await database.close()


def _without_rows(settings: Settings, report: DatabaseReport) -> Iterator[Finding]:
    """Yield the tenants that are configured and that no server has seen yet."""
    if report.facts is None:
        return
    for key in settings.tenants:
        if key not in report.facts.tenants:
            fix = "启动或重启 daogou serve，它会自动建好；确认它用的是同一个 config.toml"
            yield HERE.warn("database.tenant_missing", "企业", f"配置里的 {key} 还没有建", fix)


def _nobody(report: DatabaseReport) -> Finding:
    if report.facts is not None and report.facts.tenants:
        fix = "演示要先启动：make demo；正式使用请照 config.example.toml 写 [tenants.xxx]"
        return HERE.warn("platforms.none", "平台", "没有配置企业微信或钉钉，演示也没有在运行", fix)
    fix = "演示：make demo；正式使用请照 config.example.toml 写 [tenants.xxx]"
    return HERE.warn("platforms.none", "平台", "没有配置企业微信或钉钉", fix)


# The first is this machine; the order of the others is the order of their findings.
INSTALLATION = (
    Named(HERE, "这台机器", check_machine),
    Named(HERE, "密钥", check_secret_key),
    Named(HERE, "多台服务器", check_cluster),
    Named(HERE, "知识库", check_knowledge),
    Named(HERE, "大模型", check_llm),
    Named(HERE, "CRM", check_crm),
    Named(HERE, "天气", check_weather),
)


def _channels(settings: Settings) -> Iterator[Named]:
    for key, tenant in settings.tenants.items():
        yield from _channels_of(key, tenant)


def _channels_of(key: str, tenant: TenantSettings) -> Iterator[Named]:
    """Yield the checks of every configured channel; a new channel is one more here."""
    if (wecom := tenant.wecom) is not None:
        yield Named(Subject(key, "wecom"), "企业微信应用", lambda visit: check_wecom(visit, key, wecom))
    if (aibot := tenant.aibot) is not None:
        yield Named(Subject(key, "aibot"), "智能机器人", lambda visit: check_aibot(visit, key, tenant, aibot))
    if (dingtalk := tenant.dingtalk) is not None:
        yield Named(Subject(key, "dingtalk"), "钉钉应用", lambda visit: check_dingtalk(visit, key, dingtalk))
    if tenant.wecom_groups:
        groups = tenant.wecom_groups
        yield Named(Subject(key, "wecom_group"), "企业微信群", lambda visit: check_wecom_groups(visit, key, groups))
    if tenant.dingtalk_groups:
        robots = tenant.dingtalk_groups
        yield Named(Subject(key, "dingtalk_group"), "钉钉群", lambda visit: check_dingtalk_groups(visit, key, robots))
