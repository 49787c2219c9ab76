"""What brings updates in: the callback routes and the sockets of every configured account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from aiohttp import web

from bot.channels import Channels
from bot.platforms.aibot.platform_socket import AibotSocketPlatform
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.base import Platform
from bot.platforms.dingtalk.card_callbacks import card_callbacks
from bot.platforms.dingtalk.link import StreamTiming
from bot.platforms.dingtalk.stream import DingtalkStream
from bot.platforms.wecom.platform import WecomPlatform
from bot.receive import Receiver
from bot.runtime import Runtime
from bot.web.aibot import aibot_routes
from bot.web.dingtalk import dingtalk_routes
from bot.web.gate import Gate
from bot.web.wecom import wecom_routes

P = TypeVar("P", bound=Platform)


@asynccontextmanager
async def open_wires(
    app: web.Application, runtime: Runtime, channels: Channels, receive: Receiver
) -> AsyncIterator[None]:
    """Add the routes platforms call, and hold the sockets they are listened to by, while the block runs."""
    tenant_ids = {key: parts.tenant_id for key, parts in runtime.tenants.items()}
    gate = Gate(runtime.metrics, runtime.reached, tenant_ids, runtime.clock)
    app.router.add_routes(wecom_routes(_of(WecomPlatform, channels, tenant_ids), receive, gate))
    app.router.add_routes(aibot_routes(_of(AibotUrlPlatform, channels, tenant_ids), receive, gate))
    app.router.add_routes(dingtalk_routes(channels.values(), receive, gate))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(card_callbacks(channels.values(), runtime.settings.server.public_url))
        _open_dingtalk_streams(runtime, receive, stack)
        for key, bot in _of(AibotSocketPlatform, channels, tenant_ids).items():
            bot.start(key, receive)
            stack.push_async_callback(bot.stop)
        yield


def _of(kind: type[P], channels: Channels, tenant_ids: Mapping[str, int]) -> dict[str, P]:
    """Return the accounts of this kind by the key of their tenant."""
    keys = {tenant_id: key for key, tenant_id in tenant_ids.items()}
    return {keys[tenant_id]: found for (tenant_id, _), found in channels.items() if isinstance(found, kind)}


def _open_dingtalk_streams(runtime: Runtime, receive: Receiver, stack: AsyncExitStack) -> None:
    for key, tenant in runtime.settings.tenants.items():
        if tenant.dingtalk is not None and tenant.dingtalk.stream:
            timing = StreamTiming(idle=tenant.dingtalk.idle_seconds)
            stream = DingtalkStream(tenant.dingtalk, key, receive, timing, services=runtime.services(key))
            stream.start()
            stack.push_async_callback(stream.stop)
