"""What the app shares with other replicas, and what it does not tell the database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from bot.platforms.base import CardRef, Refused
from bot.platforms.wecom.platform import WecomPlatform
from bot.seal import Sealer
from db.engine import Database
from db.usage import used as calls_counted
from handlers.codec import dump_update
from handlers.messages import Address, Button, Card, Update
from tests.fakes.wecom import NOW, TOKEN_PATH, UPDATE_PATH, Clock, FakeWecom, services
from tests.rows import small_chain

AT = datetime.fromtimestamp(NOW, UTC)
BOSS = Address("wecom", "user:boss", "boss")
REF = CardRef("plan-17-9f3a")
CARD = Card("plan", "促复购活动", buttons=(Button("launch", "上架", "launch", primary=True),))
DONE = Card("plan", "促复购活动", state="王店长 10:32 已上架 · 券 123")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def replicas(wecom: FakeWecom, clock: Clock, database: Database) -> AsyncIterator[list[WecomPlatform]]:
    await small_chain(database)
    async with httpx.AsyncClient(timeout=30) as http:
        yield [WecomPlatform(wecom.settings, http, clock, services(database, clock)) for _ in range(2)]


async def pressed(wecom: FakeWecom, platform: WecomPlatform) -> Update:
    """Press the newest card of the boss and return what our side reads of it."""
    callback = wecom.cloud.press("boss", wecom.shown("boss")[-1].message_id, "launch")
    update = platform.read_callback(callback.query, callback.body, "acme", AT)
    assert update is not None
    return update


async def test_replicas_use_one_token(replicas: list[WecomPlatform], wecom: FakeWecom) -> None:
    for number, platform in enumerate(replicas):
        await platform.send(BOSS, {"msgtype": "text", "text": {"content": f"第 {number} 条"}})
    assert wecom.paths().count(TOKEN_PATH) == 1


async def test_the_code_of_a_send_is_stored_sealed_and_any_replica_may_use_it(
    replicas: list[WecomPlatform], wecom: FakeWecom
) -> None:
    receipt = await replicas[0].send(BOSS, replicas[0].render(CARD, REF)[0], REF)
    await replicas[1].update_card(BOSS, DONE, CardRef(REF.public_id, receipt.handle))
    used = wecom.called(UPDATE_PATH)[0].body["response_code"]
    assert used != receipt.handle["response_code"]
    assert wecom.screen("boss")[0]["template_card"]["replace_text"] == "已处理"


async def test_the_code_of_a_press_is_stored_sealed(replicas: list[WecomPlatform], wecom: FakeWecom) -> None:
    await replicas[0].send(BOSS, replicas[0].render(CARD, REF)[0], REF)
    update = await pressed(wecom, replicas[0])
    await replicas[1].update_card(update.address, DONE, REF)
    used = wecom.called(UPDATE_PATH)[0].body["response_code"]
    assert used not in json.dumps(dump_update(update))
    assert Sealer("same everywhere").open(update.address.hints["response_code"]) == used


@pytest.mark.parametrize("stored", ["plain-as-before", Sealer("another key").seal("code")], ids=["plain", "sealed"])
async def test_a_code_that_cannot_be_opened_has_expired(
    replicas: list[WecomPlatform], wecom: FakeWecom, stored: str
) -> None:
    await replicas[0].send(BOSS, replicas[0].render(CARD, REF)[0], REF)
    with pytest.raises(Refused, match=r"^卡片已过期$"):
        await replicas[0].update_card(BOSS, DONE, CardRef(REF.public_id, {"response_code": stored}))
    assert wecom.called(UPDATE_PATH) == []


async def test_a_card_sent_before_leaves_no_code(replicas: list[WecomPlatform], wecom: FakeWecom) -> None:
    await replicas[0].send(BOSS, replicas[0].render(CARD, REF)[0], REF)
    receipt = await replicas[1].send(BOSS, replicas[1].render(CARD, REF)[0], REF)
    assert receipt.handle == {"response_code": ""}


async def test_every_call_is_counted(
    wecom: FakeWecom, clock: Clock, database: Database, replicas: list[WecomPlatform]
) -> None:
    used = services(database, clock)
    platform = WecomPlatform(wecom.settings, clock=clock, services=used)
    await platform.send(BOSS, {"msgtype": "text", "text": {"content": "早"}})
    await platform.plain_user_ids(["wo1"])
    await platform.close()
    await used.usage.flush()
    assert await calls_counted(database, 1, "wecom", "calls", "2023-11") == len(wecom.calls) == 3
