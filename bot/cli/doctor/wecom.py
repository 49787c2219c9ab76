"""A WeCom app, from its credentials to the last message it brought."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bot.cli.doctor.arrival import IN_SANDBOX, WECOM_REASONS, check_arrival
from bot.cli.doctor.callback import Door, check_wecom_url
from bot.cli.doctor.facts import NEVER_REACHED
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.staff import check_bound
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import Unreachable
from bot.cli.doctor.wecom_calls import WecomCalls
from bot.cli.doctor.wecom_range import check_range
from bot.cli.doctor.wecom_refusal import AGENT, APP, CREDENTIALS, IP, refusal, stopped
from bot.config import WecomSettings
from bot.platforms.wecom.answers import OK, Answer
from bot.platforms.wecom.crypto import Envelope

CHANNEL = "wecom"
NO_MENU = 46003
MENU, USED = "菜单", "调用次数"
SAVE = (
    "管理后台 → {app} → 接收消息 → 设置API接收：URL 填 {address}，Token 和 EncodingAESKey 与配置一致，点「保存」；"
    "保存成功后在手机上给应用发一句话"
)


async def check_wecom(visit: Visit, key: str, settings: WecomSettings) -> list[Finding]:
    """Return how the app of one tenant stands."""
    subject = Subject(key, CHANNEL)
    account, door, known = await asyncio.gather(
        _account(visit, subject, settings), _door(visit, subject, settings), _known(visit, subject)
    )
    return [*account, *door, *known]


def address(visit: Visit, key: str) -> str:
    """Return what stands, or has to stand, in the console as the address of this app."""
    return f"{visit.public_url.rstrip('/') or 'https://您的域名'}/wecom/{key}/app"


async def _account(visit: Visit, subject: Subject, settings: WecomSettings) -> list[Finding]:
    """Return what WeCom says; the first refusal ends it, because all others would follow from it."""
    try:
        async with visit.web.client(settings.base_url) as http:
            answer, calls = await WecomCalls(visit.web, http, settings).granted()
            if answer.code != OK:
                return [refusal(subject, answer)]
            right = subject.ok("wecom.credentials", CREDENTIALS, "企业 ID 和 Secret 有效")
            return [right, *await _app(visit, calls, subject)]
    except Unreachable as error:
        fix = "确认这台机器能访问 qyapi.weixin.qq.com 的 443 端口；要走代理的话设环境变量 HTTPS_PROXY"
        return [subject.fail("wecom.unreachable", CREDENTIALS, f"连不上企业微信：{error.words}", fix)]


async def _app(visit: Visit, calls: WecomCalls, subject: Subject) -> list[Finding]:
    agent = await calls.agent()
    if agent.code != OK:
        return [refusal(subject, agent)]
    found = [subject.ok("wecom.trusted_ip", IP, "这台服务器可以调用")]
    if agent.body.get("close"):
        return [*found, stopped(subject)]
    found.append(subject.ok("wecom.agent_id", AGENT, f"「{agent.body.get('name', '')}」，没有停用"))
    tenant = await visit.tenant_facts(subject.tenant)
    bound = tenant.bound.get(CHANNEL, ()) if tenant else ()
    return [*found, *await check_range(calls, subject, agent, bound), _menu(subject, await calls.menu())]


def _menu(subject: Subject, answer: Answer) -> Finding:
    buttons = answer.body.get("button")
    if answer.code == OK and isinstance(buttons, list) and buttons:
        return subject.ok("wecom.menu", MENU, f"{len(buttons)} 个一级菜单")
    if answer.code in {OK, NO_MENU}:
        fix = f"执行 daogou wecom menu --tenant {subject.tenant}，放上自带的菜单"
        return subject.warn("wecom.menu", MENU, "还没有", fix)
    return refusal(subject, answer)


async def _door(visit: Visit, subject: Subject, settings: WecomSettings) -> list[Finding]:
    """Return whether our address can be reached."""
    if not visit.public_url:
        return []
    door = Door(subject, address(visit, subject.tenant), "wecom.callback")
    return [await check_wecom_url(visit.web, door, _envelope(settings))]


async def _known(visit: Visit, subject: Subject) -> list[Finding]:
    """Return what our own tables say."""
    tenant = await visit.tenant_facts(subject.tenant)
    if tenant is None:
        return []
    how = IN_SANDBOX if visit.settings.demo else SAVE.format(app=APP, address=address(visit, subject.tenant))
    reached = tenant.reached.get(CHANNEL, NEVER_REACHED)
    arrival = check_arrival(subject, reached, visit.clock(), WECOM_REASONS, _keys(subject), how)
    used = subject.ok("wecom.usage", USED, f"本月 {tenant.used.get((CHANNEL, 'calls'), 0)} 次")
    return [arrival, check_bound(subject, tenant, CHANNEL), used]


def _keys(subject: Subject) -> Mapping[str, str]:
    return {f"key_{name}": subject.key(CHANNEL, name) for name in ("token", "aes_key", "corp_id")}


def _envelope(settings: WecomSettings) -> Envelope:
    return Envelope(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), settings.corp_id)
