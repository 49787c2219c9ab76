"""Delivery: rates before sends, batches where a platform has them, every outcome on its own row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.delivery import TOO_LATE
from bot.platforms.base import Rate, RateLimited, Refused, TryLater
from bot.sending import TOO_MUCH
from db import inbox, outbox
from db.engine import Database
from db.inbox import NewUpdate
from db.models import Outbox
from db.outbox import NewMessage
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Text
from handlers.router import Router
from tests.fakes.platform import FakeBatching, FakePlatform
from tests.pipeline import Pipeline
from tests.rows import NOW, small_chain


class Office(Pipeline):
    """An outbox that is filled by hand."""

    def __init__(self, database: Database, folder: Path, platform: FakePlatform) -> None:
        super().__init__(database, {(1, "wecom"): platform}, Router(()), folder)
        self.platform = platform

    async def push(self, user: str, text: str = "通知", inbox_id: int | None = None) -> None:
        address = Address("wecom", f"user:{user}", user)
        message = NewMessage(
            tenant_id=1,
            platform="wecom",
            kind="notice",
            dedupe_key=f"{user}:{text}",
            conversation_key=address.conversation,
            address=dump_address(address),
            message=dump_part(Text(text)),
            inbox_id=inbox_id,
        )
        async with self.database.write() as session:
            await outbox.queue(session, message, self.now)

    async def ends(self) -> dict[str, tuple[str, str | None]]:
        return {row.address["user_id"]: (row.status, row.error) for row in await self.rows(select(Outbox))}


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> Office:
    return await office_with(database, tmp_path, FakePlatform())


async def office_with(database: Database, folder: Path, platform: FakePlatform) -> Office:
    await small_chain(database)
    return Office(database, folder, platform)


async def test_over_the_rate_waits_and_costs_no_attempt(database: Database, tmp_path: Path) -> None:
    platform = FakePlatform(limits=(Rate("person", 2, 1),))
    office = await office_with(database, tmp_path, platform)
    for number in range(3):
        await office.push("a", f"通知 {number}")
    await office.deliver()
    assert [text for _, text in platform.sent] == ["通知 0", "通知 1"]
    waiting = (await office.rows(select(Outbox).where(Outbox.status == "queued")))[0]
    assert (waiting.attempts, waiting.error) == (0, TOO_MUCH)
    assert waiting.not_before is not None
    assert waiting.not_before > office.now


async def test_an_account_keeps_a_part_of_its_rate_for_replies(database: Database, tmp_path: Path) -> None:
    platform = FakePlatform(limits=(Rate("account", 10, 60, shared=True),))
    office = await office_with(database, tmp_path, platform)
    for number in range(12):
        await office.push(f"u{number}")
    await office.deliver()
    assert len(platform.sent) == 7
    assert await office.limits.take(platform.limits) == 0.0


async def test_one_message_for_many_goes_out_in_calls_of_the_platforms_size(database: Database, tmp_path: Path) -> None:
    platform = FakeBatching(refuses={"b": Refused("不在可见范围"), "d": RateLimited("太多", 60)})
    office = await office_with(database, tmp_path, platform)
    for user in "abcde":
        await office.push(user)
    await office.push("f", "另一条")
    await office.deliver()
    assert sorted(map(sorted, platform.calls)) == [["a", "b", "c"], ["d", "e"]]
    assert platform.sent == [("f", "另一条")]
    assert await office.ends() == {
        "a": ("sent", None),
        "b": ("failed", "不在可见范围"),
        "c": ("sent", None),
        "d": ("queued", "太多"),
        "e": ("sent", None),
        "f": ("sent", None),
    }


async def test_a_channel_that_is_not_open_here_keeps_its_rows_queued(database: Database, tmp_path: Path) -> None:
    platform = FakePlatform(is_ready=False)
    office = await office_with(database, tmp_path, platform)
    await office.push("a")
    await office.deliver()
    assert await office.ends() == {"a": ("queued", None)}
    platform.is_ready = True
    await office.deliver()
    assert await office.ends() == {"a": ("sent", None)}


async def test_a_clock_set_forward_makes_no_reply_too_old_and_a_push_late(office: Office) -> None:
    """A reply must not be old; a push is for a time of day, which has passed then."""
    await inbox.receive_many(office.database, [NewUpdate(1, "wecom", "m", "user:a", "{}", NOW)])
    await office.push("a", "答复", inbox_id=1)
    await office.push("b", "早安")
    async with office.database.write() as session:
        await session.execute(update(Outbox).values(expire_at=office.now + timedelta(hours=1)))
    office.now += timedelta(hours=2)
    deliverer = replace(office.deliverer, steady=lambda: NOW)
    await deliverer.step()
    await deliverer.pool.drain()
    assert office.platform.sent == [("a", "答复")]
    assert await office.ends() == {"a": ("sent", None), "b": ("expired", TOO_LATE)}


async def test_a_platform_that_is_down_is_tried_for_half_an_hour_and_then_given_up(office: Office) -> None:
    office.platform.errors = [TryLater("连不上", 5)] * 20
    await office.push("a")
    for _ in range(20):
        await office.deliver()
        office.now += timedelta(minutes=5)
    assert await office.ends() == {"a": ("failed", "多次重试仍未成功：连不上")}
    assert len(office.platform.errors) == 8


async def test_an_unknown_account_fails_with_its_reason(office: Office) -> None:
    await office.push("a")
    async with office.database.write() as session:
        (await session.scalars(select(Outbox))).one().platform = "telegram"
    await office.deliver()
    assert await office.ends() == {"a": ("failed", "这家企业没有配置这个平台")}
