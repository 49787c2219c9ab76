"""A WeCom aibot, called at our address or through a socket of ours.

The socket itself is never opened here: a second subscription would close the one that works (doc 101463).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bot.cli.doctor.arrival import BOT, SOCKET_REASONS, WECOM_REASONS, check_arrival
from bot.cli.doctor.callback import Door, check_wecom_url
from bot.cli.doctor.facts import NEVER_REACHED, Facts
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import WORDS, unreachable
from bot.config import AibotSettings, TenantSettings
from bot.platforms.aibot.holder import lease_name
from bot.platforms.wecom.crypto import Envelope

CHANNEL = "aibot"
SECONDS = 3.0
SAVE = (
    f"{BOT}，连接方式 选「URL 回调」：URL 填 {{address}}，Token 和 EncodingAESKey 与配置一致，点「保存」；"
    "再在企业微信里给它发一句话"
)
SAY = "在企业微信里给这个机器人发一句话再查；还是没有，就在日志里搜 aibot.subscription_refused（bot_id 或 secret 不对）"
NAME, PUSH, SOCKET, HOST = "群里的名字", "主动推送", "长连接", "长连接服务器"
FRAMES = "最近连上或收到消息"


async def check_aibot(visit: Visit, key: str, tenant: TenantSettings, settings: AibotSettings) -> list[Finding]:
    """Return how the bot of one tenant stands."""
    subject = Subject(key, CHANNEL)
    found = await (_url if settings.mode == "url" else _socket)(visit, subject, settings)
    return [*found, *_settings(subject, tenant, settings)]


async def _url(visit: Visit, subject: Subject, settings: AibotSettings) -> list[Finding]:
    found = []
    token, aes_key = settings.token, settings.aes_key
    if visit.public_url and token is not None and aes_key is not None:
        envelope = Envelope(token.get_secret_value(), aes_key.get_secret_value(), "")
        found.append(
            await check_wecom_url(visit.web, Door(subject, _address(visit, subject), "aibot.callback"), envelope)
        )
    if (known := await visit.tenant_facts(subject.tenant)) is not None:
        how = SAVE.format(address=_address(visit, subject))
        reached = known.reached.get(CHANNEL, NEVER_REACHED)
        found.append(check_arrival(subject, reached, visit.clock(), WECOM_REASONS, _keys(subject), how))
    return found


async def _socket(visit: Visit, subject: Subject, settings: AibotSettings) -> list[Finding]:
    found = [await _host(subject, settings.socket_url)]
    facts, known = await visit.facts, await visit.tenant_facts(subject.tenant)
    if facts is not None and known is not None:
        found.append(_holder(subject, facts, known.tenant_id))
        reached = known.reached.get(CHANNEL, NEVER_REACHED)
        found.append(check_arrival(subject, reached, visit.clock(), SOCKET_REASONS, _keys(subject), SAY, FRAMES))
    return found


async def _host(subject: Subject, url: str) -> Finding:
    """Return whether the server of sockets can be reached; the connection ends before anything is said."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "ws" else 443)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        words = WORDS["timeout"] if isinstance(error, TimeoutError) else unreachable(error).words
        fix = f"确认这台机器能访问 {parts.hostname} 的 {port} 端口（防火墙放行出站）"
        return subject.fail("aibot.unreachable", HOST, f"{parts.hostname}:{port} {words}", fix)
    return subject.ok("aibot.reachable", HOST, f"{parts.hostname}:{port} 连得上")


def _holder(subject: Subject, facts: Facts, tenant_id: int) -> Finding:
    lease = facts.leases.get(lease_name(tenant_id))
    if lease is None or lease.until <= facts.now:
        fix = "启动 daogou serve；在运行的话，看日志里的 aibot.lease_not_reached 和 aibot.not_connected"
        return subject.fail("aibot.socket", SOCKET, "没有进程拿着这个机器人的长连接", fix)
    host, _, rest = lease.owner.partition(":")
    return subject.ok("aibot.socket", SOCKET, f"由 {host} 上的进程 {rest.partition(':')[0]} 负责")


def _settings(subject: Subject, tenant: TenantSettings, settings: AibotSettings) -> Iterator[Finding]:
    if not settings.name:
        fix = f"{subject.key(CHANNEL, 'name')} 填它在群里的名字（不带 @），否则 @ 会被当成问题的一部分"
        yield subject.warn("aibot.name", NAME, "没有设置", fix)
    if settings.mode == "url" and tenant.wecom is None:
        fix = f'要早晚推送的话，再配一个自建应用 [tenants.{subject.tenant}.wecom]，或把机器人改成长连接 mode = "socket"'
        yield subject.warn("aibot.push", PUSH, "URL 回调的机器人只能回答，不能先开口", fix)


def _address(visit: Visit, subject: Subject) -> str:
    return f"{visit.public_url.rstrip('/') or 'https://您的域名'}/wecom/{subject.tenant}/aibot"


def _keys(subject: Subject) -> Mapping[str, str]:
    names = ("token", "aes_key", "corp_id", "bot_id", "secret")
    return {f"key_{name}": subject.key(CHANNEL, name) for name in names}
