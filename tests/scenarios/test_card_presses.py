"""A pressed card, whatever happened since it was sent: one truthful card, one line of audit, at most one coupon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from bot.config import DatabaseSettings, KnowledgeSettings, ScheduleSettings, Settings, TenantSettings
from bot.sandbox.wecom_callbacks import Callback
from db.models import CardPress, Inbox, Outbox, Staff, StaffIdentity
from tests.demo_server import DemoServer, eventually, serve
from tests.fakes.dingtalk import CARD, FakeDingtalk, Planned, fake_dingtalk
from tests.fakes.wecom import UPDATE_PATH, FakeWecom

PLAN = "给高价值老客做一个促复购活动，预算3万，7天"
LAUNCHED = "已上架 · 券 "
MANAGER = "manager3"
DAYS_LATER = timedelta(days=4)


class Clock:
    """The time of day of the server and of both clouds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def timestamp(self) -> float:
        return self().timestamp()


class Phone(Protocol):
    """The manager's phone on one platform, whatever server runs behind it."""

    def connect(self) -> TenantSettings: ...

    async def say(self, server: DemoServer, text: str) -> None: ...

    async def press(self, server: DemoServer) -> None: ...

    def shown(self) -> str: ...

    def spend(self) -> None:
        """Let the platform refuse to change the card."""
        ...


@dataclass
class WecomPhone:
    """Callbacks by HTTP."""

    wecom: FakeWecom

    def connect(self) -> TenantSettings:
        self.wecom.cloud.members.add(MANAGER)
        return TenantSettings(name="演示", wecom=self.wecom.settings)

    async def say(self, server: DemoServer, text: str) -> None:
        await self._deliver(server, self.wecom.cloud.type_text(MANAGER, text))

    async def press(self, server: DemoServer) -> None:
        card = next(one for one in self.wecom.shown(MANAGER) if "launch" in str(one.payload))
        await self._deliver(server, self.wecom.cloud.press(MANAGER, card.message_id, "launch"))

    def shown(self) -> str:
        return str(self.wecom.screen(MANAGER))

    def spend(self) -> None:
        spent = {"errcode": 42016, "errmsg": "response_code expired"}
        self.wecom.fail[UPDATE_PATH] += [spent, spent]

    async def _deliver(self, server: DemoServer, callback: Callback) -> None:
        url = f"{server.base}/wecom/demo/app"
        async with server.http.post(url, params=callback.query, data=callback.body) as response:
            assert response.status == 200


@dataclass
class DingtalkPhone:
    """Frames by socket."""

    dingtalk: FakeDingtalk

    def connect(self) -> TenantSettings:
        return TenantSettings(name="演示", dingtalk=self.dingtalk.settings())

    async def say(self, server: DemoServer, text: str) -> None:
        await self.dingtalk.connected()
        await self.dingtalk.cloud.say(MANAGER, text)

    async def press(self, server: DemoServer) -> None:
        await self.dingtalk.connected()
        bubbles = self.dingtalk.phones.screen("dingtalk", MANAGER)
        card = next(bubble for bubble in bubbles if bubble.payload["msgtype"] == "card")
        await self.dingtalk.cloud.press(MANAGER, card.message_id, "launch")

    def shown(self) -> str:
        return str(self.dingtalk.screen(MANAGER))

    def spend(self) -> None:
        gone = {"code": "param.cardNotExist", "message": "card not exist", "requestid": "r"}
        self.dingtalk.plan(CARD, Planned(400, gone))


@dataclass
class Chain:
    """The seeded chain on one platform; its server is stopped and started by the test."""

    phone: Phone
    settings: Settings
    clock: Clock

    @asynccontextmanager
    async def server(self) -> AsyncIterator[DemoServer]:
        async with serve(self.settings, self.clock) as server:
            yield server

    async def send_the_card(self) -> None:
        """Ask for a plan, and stop the server that made it."""
        async with self.server() as server:
            await self.phone.say(server, PLAN)
            await self.shows("launch")

    async def shows(self, text: str) -> str:
        async def look() -> str:
            return self.phone.shown()

        return await eventually(look, lambda shown: text in shown)


@pytest.fixture(params=["wecom", "dingtalk"])
async def chain(request: pytest.FixtureRequest, seeded_url: str, tmp_path: Path) -> AsyncIterator[Chain]:
    clock = Clock()
    async with AsyncExitStack() as stack:
        phone: Phone
        if request.param == "wecom":
            phone = WecomPhone(await stack.enter_async_context(FakeWecom(clock.timestamp).running()))
        else:
            phone = DingtalkPhone(await stack.enter_async_context(fake_dingtalk(clock=clock.timestamp)))
        settings = Settings(
            database=DatabaseSettings(url=SecretStr(seeded_url)),
            knowledge=KnowledgeSettings(directory=tmp_path / "chroma"),
            schedule=ScheduleSettings(enabled=False),
            state_directory=tmp_path / "state",
            tenants={"demo": phone.connect()},
        )
        yield Chain(phone, settings, clock)


async def audit(server: DemoServer) -> list[tuple[str, str]]:
    async with server.runtime.database.read() as session:
        rows = await session.execute(select(CardPress.outcome, CardPress.detail).order_by(CardPress.id))
        return [(outcome, detail) for outcome, detail in rows]


async def finished(server: DemoServer, updates: int) -> None:
    """Return once so many updates are answered and nothing is left to send."""

    async def left() -> tuple[int, int]:
        async with server.runtime.database.read() as session:
            done = await session.scalars(select(Inbox.id).where(Inbox.status == "done"))
            unsent = await session.scalars(select(Outbox.id).where(Outbox.status.in_(("queued", "sending"))))
            return len(done.all()), len(unsent.all())

    await eventually(left, lambda counts: counts == (updates, 0))


def coupons(server: DemoServer) -> list[dict[str, Any]]:
    assert server.runtime.mock_crm is not None
    return server.runtime.mock_crm.book.all()


@pytest.mark.parametrize("later", [timedelta(0), DAYS_LATER], ids=["at once", "days later"])
async def test_a_card_of_before_a_restart_is_launched_once_by_two_presses_at_once(
    chain: Chain, later: timedelta
) -> None:
    await chain.send_the_card()
    chain.clock.ahead += later
    async with chain.server() as server:
        await asyncio.gather(chain.phone.press(server), chain.phone.press(server))
        shown = await chain.shows(LAUNCHED)
        await finished(server, 3)
        [(outcome, detail)] = await audit(server)
        assert (outcome, LAUNCHED in detail) == ("changed", True)
        assert len(coupons(server)) == 1
        assert shown.count(LAUNCHED) == 1
        assert chain.phone.shown() == shown


async def test_who_has_no_right_any_more_is_told_so_and_the_card_stays(chain: Chain) -> None:
    await chain.send_the_card()
    before = chain.phone.shown()
    async with chain.server() as server:
        async with server.runtime.database.write() as session:
            of_manager = select(StaffIdentity.staff_id).where(StaffIdentity.user_id == MANAGER)
            await session.execute(update(Staff).where(Staff.id.in_(of_manager)).values(role="clerk"))
        for _ in range(2):
            await chain.phone.press(server)
        await finished(server, 3)
        [(outcome, detail)] = await audit(server)
        assert (outcome, "店长" in detail, coupons(server)) == ("refused", True, [])
        assert LAUNCHED not in chain.phone.shown()
        assert chain.phone.shown() != before


async def test_a_change_of_a_card_that_is_spent_is_said_in_a_new_message(chain: Chain) -> None:
    """WeCom takes no code twice; DingTalk may have forgotten the card."""
    await chain.send_the_card()
    chain.phone.spend()
    async with chain.server() as server:
        await chain.phone.press(server)
        await chain.shows(LAUNCHED)
        await finished(server, 2)
        assert [outcome for outcome, _ in await audit(server)] == ["changed"]
        assert chain.phone.shown().count(LAUNCHED) == 1
