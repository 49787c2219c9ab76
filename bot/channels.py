"""Every configured account as a platform: a new channel is a package in `bot/platforms/` and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.config import TenantSettings
from bot.platforms.aibot.platform_socket import AibotSocketPlatform
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.base import Platform
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.services import Services
from bot.platforms.wecom.platform import WecomPlatform

# By tenant id and channel name.
Channels = Mapping[tuple[int, str], Platform]

Maker = Callable[[TenantSettings, Services], Iterator[Platform]]


def open_channels(tenant: TenantSettings, services: Services) -> dict[tuple[int, str], Platform]:
    """Return every account of one tenant; whoever asked closes them."""
    channels = {(services.tenant_id, made.name): made for make in MAKERS for made in make(tenant, services)}
    if tenant.aibot is not None:
        # After the others: what it cannot say itself goes by the tenant's app.
        app = channels.get((services.tenant_id, WecomPlatform.name))
        kind = AibotSocketPlatform if tenant.aibot.mode == "socket" else AibotUrlPlatform
        channels[services.tenant_id, kind.name] = kind(tenant.aibot, services, app)
    return channels


def _wecom(tenant: TenantSettings, services: Services) -> Iterator[Platform]:
    if tenant.wecom is not None:
        yield WecomPlatform(tenant.wecom, services=services)


def _dingtalk(tenant: TenantSettings, services: Services) -> Iterator[Platform]:
    if tenant.dingtalk is not None:
        yield DingtalkPlatform(tenant.dingtalk, services=services)


MAKERS: tuple[Maker, ...] = (_wecom, _dingtalk)
