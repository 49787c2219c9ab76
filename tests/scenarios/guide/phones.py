"""What stands at the other end of each channel: the account the console gave, the check it makes, and a phone.

account   the values a newcomer copies from the console, as environment variables, and where the cloud is
check     what the console does when the address is saved, or the wait until the bot has connected
say       a person types; `screen` is what they read afterwards
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import httpx
from pydantic import SecretStr

from bot.config import DingtalkSettings, WecomSettings
from bot.sandbox.wecom_callbacks import deliver
from tests.fakes.aibot import AES_KEY, TOKEN, FakeAibot
from tests.fakes.aibot_socket import BOT_ID, SECRET, FakeAibotSocket
from tests.fakes.dingtalk import FakeDingtalk, fake_dingtalk, until
from tests.fakes.wecom import FakeWecom

WHO = "zhangsan"
Account = Mapping[str, str]


class Phone(Protocol):
    """The phone of zhangsan, who nobody has bound to anybody."""

    @property
    def account(self) -> Account:
        """What the console gave."""
        ...

    async def check(self, url: str) -> None:
        """Do what the console does; `url` is the address the guide tells to enter, "" where there is none."""
        ...

    async def say(self, text: str) -> None:
        """Type a sentence."""
        ...

    def screen(self) -> str:
        """Everything the phone shows of the bot."""
        ...


@dataclass
class WecomAppPhone:
    """Direct chat with the self-built app."""

    cloud: FakeWecom
    http: httpx.AsyncClient
    url: str = ""

    @property
    def account(self) -> Account:
        return _account("WECOM", _plain(self.cloud.settings))

    async def check(self, url: str) -> None:
        self.url = url
        query, digits = self.cloud.cloud.callbacks.url_check()
        assert (await self.http.get(url, params=query)).text == digits

    async def say(self, text: str) -> None:
        assert await deliver(self.http, self.url, self.cloud.cloud.type_text(WHO, text))

    def screen(self) -> str:
        return str([one.payload for one in self.cloud.shown(WHO) if one.direction == "in"])


@dataclass
class AibotUrlPhone:
    """Direct chat with the aibot that is called at our address."""

    cloud: FakeAibot
    read: list[str] = field(default_factory=list)

    @property
    def account(self) -> Account:
        return _account("AIBOT", {"token": TOKEN, "aes_key": AES_KEY, "base_url": self.cloud.base})

    async def check(self, url: str) -> None:
        self.cloud.target = url
        sent, answered = await self.cloud.check_url()
        assert answered == sent

    async def say(self, text: str) -> None:
        said = await self.cloud.follow(await self.cloud.say(WHO, text))
        self.read.append(said.text)

    def screen(self) -> str:
        return "\n".join(self.read)


@dataclass
class AibotSocketPhone:
    """Direct chat with the aibot we have connected to."""

    cloud: FakeAibotSocket

    @property
    def account(self) -> Account:
        return _account("AIBOT", {"bot_id": BOT_ID, "secret": SECRET, "socket_url": self.cloud.url})

    async def check(self, url: str) -> None:
        assert not url
        await until(lambda: bool(self.cloud.subscribed))

    async def say(self, text: str) -> None:
        await self.cloud.say(WHO, text)

    def screen(self) -> str:
        return "\n".join(self.cloud.texts(WHO))


@dataclass
class DingtalkStreamPhone:
    """Direct chat with the robot, by Stream."""

    cloud: FakeDingtalk

    @property
    def account(self) -> Account:
        return _account("DINGTALK", _plain(self.cloud.settings()))

    async def check(self, url: str) -> None:
        assert not url
        await self.cloud.connected()

    async def say(self, text: str) -> None:
        await self.cloud.cloud.say(WHO, text)

    def screen(self) -> str:
        return str(self.cloud.screen(WHO))


class DingtalkHttpPhone(DingtalkStreamPhone):
    """The same, called at our address; the address for buttons has registered itself."""

    async def check(self, url: str) -> None:
        self.cloud.cloud.robot_url = url
        await until(lambda: bool(self.cloud.cloud.cards.routes))


@asynccontextmanager
async def wecom_app() -> AsyncIterator[Phone]:
    """Yield the phone of a corp with one self-built app."""
    async with FakeWecom(time.time).running() as cloud, httpx.AsyncClient(trust_env=False, timeout=5) as http:
        yield WecomAppPhone(cloud, http)


@asynccontextmanager
async def aibot_url() -> AsyncIterator[Phone]:
    """Yield the phone of a corp with an aibot in URL mode."""
    async with FakeAibot(now).running() as cloud:
        yield AibotUrlPhone(cloud)
        assert cloud.faults == []


@asynccontextmanager
async def aibot_socket() -> AsyncIterator[Phone]:
    """Yield the phone of a corp with an aibot on a long connection."""
    async with FakeAibotSocket(now).running() as cloud:
        yield AibotSocketPhone(cloud)
        assert cloud.faults == []


@asynccontextmanager
async def dingtalk_stream() -> AsyncIterator[Phone]:
    """Yield the phone of an organisation with a robot by Stream."""
    async with fake_dingtalk() as cloud:
        yield DingtalkStreamPhone(cloud)


@asynccontextmanager
async def dingtalk_http() -> AsyncIterator[Phone]:
    """Yield the phone of an organisation with a robot that calls our address."""
    async with fake_dingtalk() as cloud:
        yield DingtalkHttpPhone(cloud)


def now() -> datetime:
    """Return the time of day, which the server goes by too."""
    return datetime.now(UTC)


def _account(kind: str, values: Mapping[str, str]) -> Account:
    return {f"DAOGOU_TENANTS__ACME__{kind}__{name.upper()}": value for name, value in values.items()}


def _plain(settings: WecomSettings | DingtalkSettings) -> dict[str, str]:
    """Return the account's own values, secrets in the open."""
    names = {"corp_id", "agent_id", "secret", "token", "aes_key", "client_id", "client_secret", "robot_code"}
    given = {name: value for name, value in settings if name in names or name.endswith("base_url")}
    return {n: v.get_secret_value() if isinstance(v, SecretStr) else str(v) for n, v in given.items()}
