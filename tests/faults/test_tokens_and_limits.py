"""What the platforms do to a sender: tokens that end early, addresses that are not trusted, too much at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from bot.config import WecomGroupSettings
from bot.platforms.wecom_group.platform import WecomGroupPlatform
from db.engine import Database
from db.models import Outbox
from handlers.messages import Address
from handlers.router import Router
from jobs.notice import Notice, queue_notice
from tests.fakes.dingtalk import WEBHOOK, Planned
from tests.fakes.table_picture import PlainPictures
from tests.fakes.wecom import GROUP_KEY, GROUP_PATH, SEND_PATH, TOKEN_PATH, FakeWecom
from tests.faults.cluster import clustered
from tests.faults.crowd import Crowd
from tests.faults.forks import Forks
from tests.faults.installation import Installation
from tests.pipeline import Pipeline
from tests.rows import small_chain

Report = Callable[[object], None]

FREQUENT = {"errcode": 45009, "errmsg": "api freq out of limit"}
CONCURRENT = {"errcode": 45033, "errmsg": "api concurrent out of limit"}
# DingTalk's answer to the 21st call of a second.
QPS = Planned(403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "message": "流控"})


@pytest.fixture
async def two(tmp_path: Path, forks: Forks) -> AsyncIterator[Installation]:
    """Two servers that share everything and have sent a message each."""
    async with clustered(tmp_path, forks, "ab") as at:
        await asyncio.gather(*(replica.start() for replica in at.replicas))
        await Crowd(at).talk(at.people[:8], 2)
        await at.settled()
        assert len(at.wecom.called(TOKEN_PATH)) == 1
        yield at


def revoked(at: Installation) -> None:
    at.wecom.cloud.tokens.revoke()


def expired(at: Installation) -> None:
    at.wecom.cloud.tokens._until = dict.fromkeys(at.wecom.cloud.tokens._until, 1.0)


@pytest.mark.parametrize("end", [revoked, expired], ids=["40014", "42001"])
async def test_a_token_that_ends_early_is_replaced_once_for_both(
    two: Installation, end: Callable[[Installation], None], report: Report
) -> None:
    end(two)
    before = len(two.wecom.called(SEND_PATH))
    await Crowd(two).talk(two.people, 1)
    counts = await two.judge()
    sends = len(two.wecom.called(SEND_PATH)) - before
    report(f"{counts}; {len(two.wecom.called(TOKEN_PATH)) - 1} token, {sends} sends for {len(two.people)} messages")
    assert counts.answered == counts.accepted
    assert len(two.wecom.called(TOKEN_PATH)) == 2
    assert sends <= 2 * len(two.people)


async def test_an_address_that_is_not_trusted_is_said_once(alone: Installation) -> None:
    """60020 until an administrator adds the address: every message ends with the reason, the log says it once."""
    alone.wecom.cloud.tokens.trusted_ips = set()
    server = alone.replica()
    await server.start()
    await Crowd(alone).talk(alone.people[:10], 1)
    counts = await alone.judge()
    assert (counts.accepted, counts.failed) == (10, 10)
    assert [line["errcode"] for line in server.logged("wecom.account_wrong")] == [60020]
    assert {row.error for row in await replies(alone)} == {"服务器 IP 不在企业可信 IP 里（60020）"}


async def replies(at: Installation) -> list[Outbox]:
    async with at.database.read() as session:
        return list((await session.scalars(select(Outbox).where(Outbox.tenant_id == 1).order_by(Outbox.id))).all())


@pytest.mark.parametrize("refusal", [FREQUENT, CONCURRENT], ids=["45009", "45033"])
async def test_too_much_at_once_waits_in_its_order(
    alone: Installation, refusal: dict[str, Any], report: Report
) -> None:
    server, crowd, user = alone.replica(), Crowd(alone), alone.people[0]
    await server.start()
    alone.wecom.fail[SEND_PATH].append(refusal)
    await crowd.talk([user], 4)
    await server.until_logged("delivery.retry")
    waiting = (await replies(alone))[0]
    assert (waiting.status, waiting.attempts) == ("queued", 0)
    assert waiting.not_before is not None
    assert alone.heard() == []
    # A minute need not be waited for to see what comes after it.
    async with alone.database.write() as session:
        await session.execute(update(Outbox).values(not_before=waiting.not_before - timedelta(minutes=1)))
    counts = await alone.judge()
    report(counts)
    assert counts.answered == 4


async def test_dingtalks_calls_a_second_are_kept_and_what_it_refuses_waits(alone: Installation, report: Report) -> None:
    """Our own count lets 5 a second through; three are refused all the same and come later, in order."""
    tenants = alone.settings["tenants"]
    tenants["acme"]["dingtalk"]["calls_per_second"] = 5
    server, crowd = alone.replica("a", tenants=tenants), Crowd(alone)
    await server.start()
    alone.dingtalk.plan(WEBHOOK, QPS, QPS, QPS)
    await crowd.talk(alone.people[:8], 3, "dingtalk")
    counts = await alone.judge()
    limited = await server.metric('daogou_sends_total{kind="reply",outcome="limited",platform="dingtalk"}')
    report(f"{counts}; {limited:.0f} times over our own count")
    assert counts.answered == 24
    assert len(alone.dingtalk.called(WEBHOOK)) == 27
    assert limited > 0


async def test_twenty_a_minute_to_a_group_and_the_rest_later(database: Database, tmp_path: Path) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        async with FakeWecom(time.time).running() as wecom, group_office(database, tmp_path, wecom) as office:
            for number in range(25):
                await office.notice(f"通知 {number:02}")
            await office.deliver_at(datetime.now(UTC))
            assert len(wecom.group()) == 20
            waiting = await office.rows(select(Outbox).where(Outbox.status == "queued").order_by(Outbox.id))
            assert len(waiting) == 5
            assert waiting[0].not_before is not None
            clock.shift(61)
            await office.deliver_at(datetime.now(UTC))
    assert [shown["text"]["content"] for shown in wecom.group()] == [f"通知 {number:02}" for number in range(25)]
    assert len(wecom.called(GROUP_PATH)) == 25


class GroupOffice(Pipeline):
    """An outbox of notices to one group."""

    async def notice(self, text: str) -> None:
        notice = Notice(1, text, self.now.date())
        async with self.database.write() as session:
            await queue_notice(session, notice, {"店长群": Address("wecom_group", "店长群", "", group=True)}, self.now)

    async def deliver_at(self, now: datetime) -> None:
        self.now = now
        await self.deliver()


@asynccontextmanager
async def group_office(database: Database, folder: Path, wecom: FakeWecom) -> AsyncIterator[GroupOffice]:
    await small_chain(database)
    group = WecomGroupSettings.model_validate({"key": GROUP_KEY, "base_url": wecom.settings.base_url})
    platform = WecomGroupPlatform({"店长群": group}, pictures=PlainPictures())
    office = GroupOffice(database, {(1, platform.name): platform}, Router(()), folder)
    office.now = datetime.now(UTC)
    try:
        yield office
    finally:
        await platform.close()
