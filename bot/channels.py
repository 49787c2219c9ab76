"""Every configured account as a platform: a new channel is a package in `bot/platforms/` and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.cards import table_picture
from bot.config import TenantSettings
from bot.platforms.aibot.platform_socket import AibotSocketPlatform
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.base import Platform
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk_group.platform import DingtalkGroupPlatform
from bot.platforms.services import Services
from bot.platforms.wecom.platform import WecomPlatform
from bot.platforms.wecom_group.platform import WecomGroupPlatform

# By tenant id and channel name.
Channels = Mapping[tuple[int, str], Platform]

# The channels made so far are given, because some say through another what they cannot say themselves.
Maker = Callable[[TenantSettings, Services, Channels], Iterator[Platform]]


def open_channels(tenant: TenantSettings, services: Services) -> dict[tuple[int, str], Platform]:
    """Return every account of one tenant; whoever asked closes them.

    A chain without an app reaches its people through the bot whose socket it holds: what is theirs goes by the
    name of the app, because a bot reached by callbacks can only answer.
    """
    channels: dict[tuple[int, str], Platform] = {}
    for make in MAKERS:
        channels |= {(services.tenant_id, made.name): made for made in make(tenant, services, channels)}
    bot = channels.get((services.tenant_id, AibotSocketPlatform.name))
    if isinstance(bot, AibotSocketPlatform):
        channels.setdefault((services.tenant_id, WecomPlatform.name), bot)
    return channels


def _wecom(tenant: TenantSettings, services: Services, _: Channels) -> Iterator[Platform]:
    if tenant.wecom is not None:
        yield WecomPlatform(tenant.wecom, services=services, pictures=table_picture)


def _aibot(tenant: TenantSettings, services: Services, channels: Channels) -> Iterator[Platform]:
    if tenant.aibot is not None:
        kind = AibotSocketPlatform if tenant.aibot.mode == "socket" else AibotUrlPlatform
        yield kind(tenant.aibot, services, channels.get((services.tenant_id, WecomPlatform.name)))


def _dingtalk(tenant: TenantSettings, services: Services, _: Channels) -> Iterator[Platform]:
    if tenant.dingtalk is not None:
        yield DingtalkPlatform(tenant.dingtalk, services=services, pictures=table_picture)


def _wecom_groups(tenant: TenantSettings, services: Services, _: Channels) -> Iterator[Platform]:
    if tenant.wecom_groups:
        yield WecomGroupPlatform(tenant.wecom_groups, services=services, pictures=table_picture)


def _dingtalk_groups(tenant: TenantSettings, _services: Services, _: Channels) -> Iterator[Platform]:
    if tenant.dingtalk_groups:
        yield DingtalkGroupPlatform(tenant.dingtalk_groups)


MAKERS: tuple[Maker, ...] = (_wecom, _aibot, _dingtalk, _wecom_groups, _dingtalk_groups)
