"""What an app that is called at our address needs beside its routes: its card callback, registered at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog

from bot.platforms.base import Platform, RateLimited, Refused, SendError
from bot.platforms.dingtalk.platform import DingtalkPlatform

log = structlog.get_logger()

PAUSE_SECONDS, LONGEST_PAUSE = 5.0, 300.0

NO_PUBLIC_URL = "卡片按钮收不到：钉钉改用了 HTTP 回调，请在配置里填 server.public_url"
NOT_REGISTERED = "卡片按钮收不到：检查 server.public_url 能从外网用 HTTPS 打开、应用有 Card.Instance.Write 权限，再重启"


@asynccontextmanager
async def card_callbacks(platforms: Iterable[Platform], public_url: str) -> AsyncIterator[None]:
    """Register the card callbacks while the block runs; what fails is logged with what to do and holds nothing up."""
    apps = [platform for platform in platforms if isinstance(platform, DingtalkPlatform)]
    tasks = [asyncio.create_task(_register(app, public_url)) for app in apps if app.called_by_http]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _register(app: DingtalkPlatform, public_url: str) -> None:
    """Register the card callback, again and again while that may help."""
    if not public_url:
        log.error("dingtalk.no_public_url", tenant=app.tenant, fix=NO_PUBLIC_URL)
        return
    pause = PAUSE_SECONDS
    while True:
        try:
            await app.register_card_callback(card_callback_url(public_url, app.tenant))
        except SendError as error:
            log.error(
                "dingtalk.card_callback_not_registered", tenant=app.tenant, reason=error.reason, fix=NOT_REGISTERED
            )
            if isinstance(error, Refused):
                return
            await asyncio.sleep(error.after if isinstance(error, RateLimited) else pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            log.info("dingtalk.card_callback_registered", tenant=app.tenant)
            return


def card_callback_url(public_url: str, tenant: str) -> str:
    """Return the address presses of a tenant's cards are sent to."""
    return f"{public_url.rstrip('/')}/dingtalk/{tenant}/card"
