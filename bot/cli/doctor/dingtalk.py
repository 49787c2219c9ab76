"""A DingTalk app, from its credentials to the last message it brought."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from bot.cli.doctor.arrival import DINGTALK_REASONS, IN_SANDBOX, check_arrival
from bot.cli.doctor.callback import Door, check_dingtalk_url
from bot.cli.doctor.dingtalk_calls import DingtalkCalls
from bot.cli.doctor.dingtalk_probes import check_contacts, probe_card, probe_robot, probe_streaming
from bot.cli.doctor.dingtalk_refusal import CONSOLE, CREDENTIALS, PUBLISH, QUOTA, RELEASE, quota_spent, refused
from bot.cli.doctor.facts import NEVER_REACHED, Arrivals, TenantFacts
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.staff import check_bound
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import Unreachable
from bot.config import DingtalkSettings
from bot.usage import month_of

CHANNEL = "dingtalk"
# 标准版: what an organisation has that has bought nothing.
FREE_CALLS, FREE_RECEIVED = 5000, 3000
NEARLY, LEFT_FOR_PROBES = 0.8, 20
RECEIVED, VERSION, LATE = "本月收到", "发布版本", "迟到的消息"
MESSAGES_URL, PRESSES_URL = "机器人的回调地址", "卡片的回调地址"
TRY = f"再 {RELEASE}；daogou serve 在运行时，在钉钉里给机器人发一句话"
STREAM_MODE = f"{CONSOLE} → 机器人 → 消息接收模式 选「Stream 模式」，{TRY}"
HTTP_MODE = f"{CONSOLE} → 机器人 → 消息接收模式 选「HTTP 模式」，消息接收地址填 {{address}}，{TRY}"


async def check_dingtalk(visit: Visit, key: str, settings: DingtalkSettings) -> list[Finding]:
    """Return how the app of one tenant stands."""
    subject = Subject(key, CHANNEL)
    account, doors = await asyncio.gather(_account(visit, subject, settings), _doors(visit, subject, settings))
    tenant = await visit.tenant_facts(key)
    return [*account, *doors, *(_known(visit, subject, settings, tenant) if tenant else [])]


async def _account(visit: Visit, subject: Subject, settings: DingtalkSettings) -> list[Finding]:
    """Return what DingTalk says; without a token nothing else can be asked."""
    metered = 0

    def count() -> None:
        nonlocal metered
        metered += 1

    try:
        async with visit.web.client(settings.base_url) as http:
            answer, calls = await DingtalkCalls(visit.web, http, settings, count).granted()
            if not calls.token:
                return [refused(subject, answer, "")]
            right = subject.ok("dingtalk.credentials", CREDENTIALS, "Client ID 和 Client Secret 有效")
            return [right, *await _probes(visit, calls, subject)]
    except Unreachable as error:
        fix = "确认这台机器能访问 api.dingtalk.com 和 oapi.dingtalk.com 的 443 端口；要走代理的话设环境变量 HTTPS_PROXY"
        return [subject.fail("dingtalk.unreachable", CREDENTIALS, f"连不上钉钉：{error.words}", fix)]
    finally:
        if metered and (tenant := await visit.tenant_facts(subject.tenant)):
            visit.spent[tenant.tenant_id, CHANNEL, "calls", month_of(visit.clock())] += metered


async def _probes(visit: Visit, calls: DingtalkCalls, subject: Subject) -> list[Finding]:
    tenant = await visit.tenant_facts(subject.tenant)
    bound = tenant.bound.get(CHANNEL, ()) if tenant else ()
    checks = [check_contacts(calls, subject, bound)]
    left_out = _why_not(visit, calls.settings, tenant)
    if not left_out:
        checks = [probe_robot(calls, subject), probe_card(calls, subject), probe_streaming(calls, subject), *checks]
    found = [one for findings in await asyncio.gather(*checks) for one in findings]
    if left_out:
        found.append(subject.ok("dingtalk.not_probed", "机器人和卡片", f"没有试（{left_out}）"))
    return list(_without_doubles(found))


def _without_doubles(found: list[Finding]) -> Iterator[Finding]:
    """Yield each finding once: a wrong address or an empty quota is said by every call."""
    seen: set[tuple[str, str]] = set()
    for one in found:
        if (one.code, one.detail) not in seen:
            seen.add((one.code, one.detail))
            yield one


def _why_not(visit: Visit, settings: DingtalkSettings, tenant: TenantFacts | None) -> str:
    if visit.free:
        return "--free"
    used = tenant.used.get((CHANNEL, "calls"), 0) if tenant else 0
    return "本月额度快用完了" if settings.monthly_calls - LEFT_FOR_PROBES < used < settings.monthly_calls else ""


async def _doors(visit: Visit, subject: Subject, settings: DingtalkSettings) -> list[Finding]:
    """Return whether our addresses can be reached, where DingTalk calls them."""
    if settings.stream or not visit.public_url:
        return []
    secret, robot, card = (
        settings.client_secret.get_secret_value(),
        _address(visit, subject, "robot"),
        _address(visit, subject, "card"),
    )
    return list(
        await asyncio.gather(
            check_dingtalk_url(visit.web, Door(subject, robot, "dingtalk.callback", MESSAGES_URL), secret, press=False),
            check_dingtalk_url(
                visit.web, Door(subject, card, "dingtalk.card_callback", PRESSES_URL), secret, press=True
            ),
        )
    )


def _known(visit: Visit, subject: Subject, settings: DingtalkSettings, tenant: TenantFacts) -> Iterator[Finding]:
    """Yield what our own tables say."""
    how = STREAM_MODE if settings.stream else HTTP_MODE.format(address=_address(visit, subject, "robot"))
    how = IN_SANDBOX if visit.settings.demo else how
    reached = tenant.reached.get(CHANNEL, NEVER_REACHED)
    yield check_arrival(subject, reached, visit.clock(), DINGTALK_REASONS, _keys(subject), how)
    yield from _published(subject, tenant.dingtalk)
    yield check_bound(subject, tenant, CHANNEL)
    yield _quota(subject, settings, tenant.used.get((CHANNEL, "calls"), 0))
    yield _received(subject, settings, tenant.used.get((CHANNEL, "received"), 0))


def _published(subject: Subject, arrivals: Arrivals) -> Iterator[Finding]:
    """Before a version is published, DingTalk does not say who wrote."""
    if arrivals.recent and arrivals.outsiders == arrivals.recent:
        detail = f"最近 {arrivals.recent} 条消息都没有带发送人：应用还没有发布"
        yield subject.fail("dingtalk.published", VERSION, detail, PUBLISH)
    elif arrivals.outsiders:
        detail = f"最近 {arrivals.recent} 条消息里有 {arrivals.outsiders} 条来自企业外的人，没有回答"
        yield subject.ok("dingtalk.published", VERSION, detail)
    elif arrivals.recent:
        yield subject.ok("dingtalk.published", VERSION, "已发布")
    if arrivals.stale:
        detail = f"最近 {arrivals.recent} 条里有 {arrivals.stale} 条到的时候已经过了半小时，没有回答"
        yield subject.warn("dingtalk.stale", LATE, detail, "服务停过就是正常的；没有停过就看上面的「时钟」和网络")
    if arrivals.over_quota:
        detail = f"最近 {arrivals.recent} 条里有 {arrivals.over_quota} 条到的时候没有内容：企业的额度用完了，没有回答"
        yield subject.warn("dingtalk.over_quota", QUOTA, detail, quota_spent(subject).fix)


def _quota(subject: Subject, settings: DingtalkSettings, used: int) -> Finding:
    code, total = "dingtalk.quota", settings.monthly_calls
    detail = f"用了 {used} / {total} 次接口调用（只算导购自己的，同企业别的应用也用这个额度）"
    fix = f"关掉 {subject.key(CHANNEL, 'streaming_card')}、少推卡片多推文字，或请企业管理员买增购包后改 monthly_calls"
    if used >= total:
        return subject.fail(code, QUOTA, detail, quota_spent(subject).fix)
    if used >= total * NEARLY:
        return subject.warn(code, QUOTA, detail, fix)
    return subject.ok(code, QUOTA, detail)


def _received(subject: Subject, settings: DingtalkSettings, count: int) -> Finding:
    code = "dingtalk.received"
    if settings.monthly_calls > FREE_CALLS:
        return subject.ok(code, RECEIVED, f"{count} 条")
    detail = f"{count} / {FREE_RECEIVED} 条（标准版的 Webhook 和 Stream 额度）"
    if count >= FREE_RECEIVED * NEARLY:
        fix = "超过以后收到的消息没有内容，答不了：请企业管理员在钉钉管理后台买专业版或增购包"
        return subject.warn(code, RECEIVED, detail, fix)
    return subject.ok(code, RECEIVED, detail)


def _address(visit: Visit, subject: Subject, what: str) -> str:
    return f"{visit.public_url.rstrip('/') or 'https://您的域名'}/dingtalk/{subject.tenant}/{what}"


def _keys(subject: Subject) -> Mapping[str, str]:
    return {"key_client_secret": subject.key(CHANNEL, "client_secret")}
