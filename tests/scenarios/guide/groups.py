"""Groups that are only spoken to: what the group's page gave, and what the group shows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.fakes.dingtalk import fake_dingtalk
from tests.fakes.wecom import GROUP_KEY, FakeWecom

NAME = "店长群"
ROBOT_TOKEN, ROBOT_SECRET = "token-of-the-robot", "SECret-of-the-robot"


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its webhook; `screen` is what its members read."""

    account: Mapping[str, str]
    screen: Callable[[], str]


@asynccontextmanager
async def wecom_group() -> AsyncIterator[Group]:
    """Yield a WeCom group."""
    async with FakeWecom(time.time).running() as cloud:
        values = {"KEY": GROUP_KEY, "BASE_URL": cloud.settings.base_url}
        yield Group(_account("WECOM_GROUPS", values), lambda: str(cloud.group()))


@asynccontextmanager
async def dingtalk_group() -> AsyncIterator[Group]:
    """Yield a DingTalk group with a robot that is signed."""
    async with fake_dingtalk() as cloud:
        cloud.cloud.add_group("cidGroup==", NAME, ("zhangsan",))
        room = cloud.cloud.rooms.group("cidGroup==")
        assert room is not None
        cloud.cloud.webhooks.add_robot(ROBOT_TOKEN, ROBOT_SECRET, room)
        values = {"ACCESS_TOKEN": ROBOT_TOKEN, "SECRET": ROBOT_SECRET, "BASE_URL": cloud.base}
        yield Group(_account("DINGTALK_GROUPS", values), lambda: str(cloud.screen("zhangsan")))


def _account(kind: str, values: Mapping[str, str]) -> Mapping[str, str]:
    return {f"DAOGOU_TENANTS__ACME__{kind}__{NAME}__{name}": value for name, value in values.items()}
