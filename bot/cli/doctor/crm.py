"""The CRM: asked for a coupon nobody made, which tells address, key and shape of its answers."""

from __future__ import annotations

import asyncio

import httpx

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.crm.client import NOT_ALLOWED, CrmClient
from handlers.crm import CrmError, CrmRefused

WHAT = "CRM"
URL, KEY = "config.toml 的 [crm] base_url", "config.toml 的 [crm] api_key"
SECONDS = 5.0
NOBODYS = "daogou-doctor"


async def check_crm(visit: Visit) -> list[Finding]:
    """Return whether the CRM answers as the client reads it."""
    settings = visit.settings.crm
    if not settings.base_url:
        fix = f"正式使用请在 {URL} 填 CRM 的地址，{KEY} 填它的密钥"
        return [HERE.warn("crm.mock", WHAT, "自带的模拟 CRM，发的券不是真的", fix)]
    try:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        client = CrmClient(settings.base_url, key, min(settings.timeout_seconds, SECONDS))
    except httpx.InvalidURL:
        return [HERE.fail("crm.base_url", WHAT, "地址读不懂", f"{URL} 写成 https://主机/路径")]
    try:
        async with asyncio.timeout(SECONDS):
            await client.find(NOBODYS)
    except (CrmError, TimeoutError) as error:
        return [_trouble(error)]
    finally:
        await client.close()
    return [HERE.ok("crm.reachable", WHAT, "连得上，能查券")]


def _trouble(error: Exception) -> Finding:
    if isinstance(error, CrmRefused) and error.reason == NOT_ALLOWED:
        return HERE.fail("crm.api_key", WHAT, "不认我们的密钥", f"向 CRM 的管理员要一个密钥，填进 {KEY}")
    if isinstance(error, CrmRefused):
        fix = f"核对 {URL}：后面接 /coupons?request_number=… 要能查券"
        return HERE.fail("crm.base_url", WHAT, error.reason, fix)
    reason = error.reason if isinstance(error, CrmError) else "没有在几秒内应答"
    fix = f"核对 {URL}，确认 CRM 在运行、这台机器能访问它。这期间 上架 会失败，可以重按"
    return HERE.fail("crm.unreachable", WHAT, reason, fix)
