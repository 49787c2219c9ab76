"""Every configured account as a platform: a new channel is a package in `bot/platforms/` and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.cards import table_picture
from bot.config import TenantSettings
from bot.platforms.base import Platform
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk_group.platform import DingtalkGroupPlatform
from bot.platforms.services import Services
from bot.platforms.wecom.platform import WecomPlatform
from bot.platforms.wecom_group.platform import WecomGroupPlatform

# By tenant id and channel name.
Channels = Mapping[tuple[int, str], Platform]

Maker = Callable[[TenantSettings, Services], Iterator[Platform]]


def open_channels(tenant: TenantSettings, services: Services) -> dict[tuple[int, str], Platform]:
    """Return every account of one tenant; whoever asked closes them."""
    return {(services.tenant_id, made.name): made for make in MAKERS for made in make(tenant, services)}


def _wecom(tenant: TenantSettings, services: Services) -> Iterator[Platform]:
    if tenant.wecom is not None:
        yield WecomPlatform(tenant.wecom, services=services, pictures=table_picture)


def _dingtalk(tenant: TenantSettings, services: Services) -> Iterator[Platform]:
    if tenant.dingtalk is not None:
        yield DingtalkPlatform(tenant.dingtalk, services=services, pictures=table_picture)


def _wecom_groups(tenant: TenantSettings, services: Services) -> Iterator[Platform]:
    if tenant.wecom_groups:
        yield WecomGroupPlatform(tenant.wecom_groups, services=services, pictures=table_picture)


def _dingtalk_groups(tenant: TenantSettings, _services: Services) -> Iterator[Platform]:
    if tenant.dingtalk_groups:
        yield DingtalkGroupPlatform(tenant.dingtalk_groups)


MAKERS: tuple[Maker, ...] = (_wecom, _dingtalk, _wecom_groups, _dingtalk_groups)
