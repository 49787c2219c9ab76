"""Text on a streaming card while it is written: its steps, its end, and what becomes of it when something dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.platforms.base import LiveText, RateLimited
from bot.platforms.dingtalk.live import LEFT_AFTER, NOT_FINISHED, Pace
from bot.platforms.dingtalk.platform import DingtalkPlatform
from db.engine import Database
from db.models import Stream
from handlers.messages import Address, Text
from tests.fakes.dingtalk import DELIVER, STREAMING, FakeDingtalk, Planned, fake_dingtalk
from tests.rows import small_chain
from tests.services import Clock, services_of

PERSON = Address("dingtalk", "user:u1", "u1")
KEY = "reply:7:0:0"
TEXT = "这周复购率下降，主要是老客少来了。\n详情如下：\n- 老客订单少 30%\n- 新客客单价低"
SHOWN = "这周复购率下降，主要是老客少来了。<br>详情如下：\n- 老客订单少 30%\n- 新客客单价低"
QPS = Planned(403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"})
BROKEN = Planned(500, {"code": "system.busy"})


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        yield fake


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Process:
    """One process of the bot, with the streaming card switched on."""

    def __init__(self, dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database, clock: Clock) -> None:
        self.clock = clock
        settings = dingtalk.settings(streaming_card=True)
        self.platform = DingtalkPlatform(settings, http, services=services_of(database, clock))

    async def write(self, *texts: str) -> None:
        """Show what is written so far, at the pace a card bears."""
        live = self.platform.live(PERSON, KEY)
        assert live is not None
        for text in texts:
            await live.show(text)
            self.clock.later(seconds=0.8)

    async def send(self, text: str = TEXT) -> None:
        """Do what delivery does with the finished text."""
        for number, payload in enumerate(self.platform.render(Text(text, streamed=True))):
            await self.platform.send(PERSON, payload, key=f"reply:7:0:{number}")


@pytest.fixture
async def process(dingtalk: FakeDingtalk, database: Database, clock: Clock) -> AsyncIterator[Process]:
    await small_chain(database)
    async with httpx.AsyncClient(timeout=1) as http:
        yield Process(dingtalk, http, database, clock)


def cards(dingtalk: FakeDingtalk) -> list[dict[str, str]]:
    return [bubble["cardParamMap"] for bubble in dingtalk.screen("u1") if bubble["msgtype"] == "card"]


def messages(dingtalk: FakeDingtalk) -> list[str]:
    return [bubble["text"] for bubble in dingtalk.screen("u1") if bubble["msgtype"] == "markdown"]


async def states(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(Stream.state)))


async def test_the_text_grows_on_a_card_and_its_send_ends_it(
    dingtalk: FakeDingtalk, process: Process, database: Database
) -> None:
    await process.write("这周", "这周复购率", "这周复购率下降")
    [card] = cards(dingtalk)
    assert (card["msgContent"], card["flowStatus"]) == ("这周复购率下降", "2")
    await process.send()
    [card] = cards(dingtalk)
    assert (card["msgContent"], card["flowStatus"]) == (SHOWN, "3")
    assert messages(dingtalk) == []
    assert await states(database) == ["closed"]


async def test_a_step_before_its_time_is_skipped(dingtalk: FakeDingtalk, process: Process) -> None:
    live = process.platform.live(PERSON, KEY)
    assert live is not None
    for number in range(40):
        await live.show("字" * (number + 1))
        process.clock.later(seconds=0.02)
    assert (len(dingtalk.called(DELIVER)), len(dingtalk.called(STREAMING))) == (1, 1)


async def test_ending_twice_is_one_step_and_no_message(dingtalk: FakeDingtalk, process: Process) -> None:
    await process.write("这周")
    await process.send()
    await process.send()
    last = [call.body["guid"] for call in dingtalk.called(STREAMING) if call.body["isFinalize"]]
    assert len(last) == 1
    assert (len(cards(dingtalk)), messages(dingtalk)) == (1, [])


async def test_an_end_whose_answer_is_lost_is_repeated_with_the_same_guid(
    dingtalk: FakeDingtalk, process: Process
) -> None:
    await process.write("这周")
    dingtalk.plan(STREAMING, Planned(504, "<html>", after_work=True))
    await process.send()
    assert len({call.body["guid"] for call in dingtalk.called(STREAMING)}) == 1
    assert (cards(dingtalk)[0]["flowStatus"], messages(dingtalk)) == ("3", [])


async def test_another_process_ends_the_card(
    dingtalk: FakeDingtalk, process: Process, database: Database, clock: Clock
) -> None:
    await process.write("这周")
    async with httpx.AsyncClient() as http:
        await Process(dingtalk, http, database, clock).send()
    assert (cards(dingtalk)[0]["msgContent"], messages(dingtalk)) == (SHOWN, [])


async def test_a_text_written_anew_after_a_crash_goes_on_on_the_same_card(
    dingtalk: FakeDingtalk, process: Process, database: Database, clock: Clock
) -> None:
    await process.write("这周")
    async with httpx.AsyncClient() as http:
        again = Process(dingtalk, http, database, clock)
        await again.write("这周复", "这周复购率")
        await again.send()
    assert len(dingtalk.called(DELIVER)) == 1
    assert [card["msgContent"] for card in cards(dingtalk)] == [SHOWN]


@pytest.mark.parametrize(
    "refused",
    [
        Planned(400, {"code": "param.templateNotExist"}),
        Planned(403, {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied"}),
        BROKEN,
        Planned(200, {"success": True, "result": {"deliverResults": [{"success": False, "errorMsg": "no"}]}}),
    ],
)
async def test_without_a_card_the_text_is_a_message(dingtalk: FakeDingtalk, process: Process, refused: Planned) -> None:
    dingtalk.plan(DELIVER, refused)
    await process.write("这周", "这周复")
    await process.send()
    assert (len(dingtalk.called(DELIVER)), dingtalk.called(STREAMING)) == (1, [])
    assert messages(dingtalk)[0].startswith("这周复购率下降")


async def test_a_card_that_cannot_be_ended_is_followed_by_the_text_and_swept_later(
    dingtalk: FakeDingtalk, process: Process, database: Database, clock: Clock
) -> None:
    await process.write("这周", "这周复购率")
    dingtalk.plan(STREAMING, BROKEN, BROKEN)
    await process.send()
    assert messages(dingtalk)[0].startswith("这周复购率下降")
    assert cards(dingtalk)[0]["flowStatus"] == "2"

    clock.now += LEFT_AFTER + timedelta(seconds=1)
    await process.platform.sweep()
    assert cards(dingtalk)[0] == cards(dingtalk)[0] | {
        "flowStatus": "3",
        "msgContent": f"这周复购率\n\n{NOT_FINISHED}",
    }
    assert await states(database) == ["switched"]
    await process.platform.sweep()
    assert len(dingtalk.called(STREAMING)) == 4  # nothing is left to be ended


async def test_a_throttled_end_is_for_later(dingtalk: FakeDingtalk, process: Process) -> None:
    await process.write("这周")
    dingtalk.plan(STREAMING, QPS)
    with pytest.raises(RateLimited):
        await process.send()
    await process.send()
    assert (cards(dingtalk)[0]["flowStatus"], messages(dingtalk)) == ("3", [])


async def test_a_throttled_step_is_skipped_and_the_next_one_shown(dingtalk: FakeDingtalk, process: Process) -> None:
    dingtalk.plan(STREAMING, QPS)
    await process.write("这周", "这周复", "这周复购率")
    assert cards(dingtalk)[0]["msgContent"] == "这周复购率"


async def test_what_a_dead_process_left_at_in_progress_is_ended(
    dingtalk: FakeDingtalk, process: Process, database: Database, clock: Clock
) -> None:
    await process.write("这周")
    clock.now += LEFT_AFTER + timedelta(seconds=1)
    async with httpx.AsyncClient() as http:
        await Process(dingtalk, http, database, clock).platform.sweep()
    assert (cards(dingtalk)[0]["flowStatus"], cards(dingtalk)[0]["msgContent"]) == ("3", NOT_FINISHED)


async def test_a_text_that_comes_after_the_sweep_is_a_message(
    dingtalk: FakeDingtalk, process: Process, clock: Clock
) -> None:
    await process.write("这周")
    clock.now += LEFT_AFTER + timedelta(seconds=1)
    await process.platform.sweep()
    await process.send()
    assert messages(dingtalk)[0].startswith("这周复购率下降")


async def test_a_sweep_tries_again_while_dingtalk_is_down_and_forgets_after_a_day(
    dingtalk: FakeDingtalk, process: Process, database: Database, clock: Clock
) -> None:
    await process.write("这周")
    clock.now += LEFT_AFTER + timedelta(seconds=1)
    dingtalk.plan(STREAMING, BROKEN, BROKEN)
    await process.platform.sweep()
    assert await states(database) == ["open"]
    clock.later(days=1)
    await process.platform.sweep()
    assert await states(database) == ["switched"]


async def test_a_long_text_ends_the_card_and_goes_on_in_messages(dingtalk: FakeDingtalk, process: Process) -> None:
    await process.write("第一段")
    await process.send("\n\n".join(f"第{number}段" + "字" * 1500 for number in range(4)))
    assert cards(dingtalk)[0]["msgContent"].startswith("第0段")
    assert [text[:3] for text in messages(dingtalk)] == ["第2段"]


async def test_without_the_setting_nothing_is_shown_and_the_text_is_a_message(
    dingtalk: FakeDingtalk, database: Database
) -> None:
    await small_chain(database)
    async with httpx.AsyncClient() as http:
        platform = DingtalkPlatform(dingtalk.settings(), http, services=services_of(database))
        assert platform.live(PERSON, KEY) is None
        [payload] = platform.render(Text("好的", streamed=True))
        await platform.send(PERSON, payload, key=KEY)
    assert messages(dingtalk) == ["好的"]


async def test_an_outsider_has_no_card(process: Process) -> None:
    assert process.platform.live(Address("dingtalk", "cidOut==", ""), KEY) is None


async def test_steps_of_all_texts_share_a_part_of_the_apps_rate() -> None:
    clock = Clock()
    pace = Pace(2, clock)
    assert [pace.take() for _ in range(3)] == [True, True, False]
    clock.later(seconds=1)
    assert pace.take()


def test_a_live_text_is_one_of_ours(process: Process) -> None:
    live: LiveText | None = process.platform.live(PERSON, KEY)
    assert live is not None


async def test_showing_while_the_database_is_gone_raises_nothing(
    dingtalk: FakeDingtalk, process: Process, database: Database
) -> None:
    await drop_streams(database)
    await process.write("这周", "这周复")
    assert cards(dingtalk) == []


async def drop_streams(database: Database) -> None:
    async with database.writer.begin() as connection:
        table: Any = Stream.__table__
        await connection.run_sync(table.drop)
