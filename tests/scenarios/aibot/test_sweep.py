"""An answer that nobody fetches is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.platforms.aibot.other_ways import NO_WAY
from bot.platforms.wecom.platform import WecomPlatform
from db.engine import Database
from db.streams import Streams
from handlers.messages import Text
from tests.fakes.aibot import DROP, FakeAibot
from tests.fakes.wecom import FakeWecom
from tests.scenarios.aibot.stage import ON_SQLITE, Clock, Stage, finished, stage_of

pytestmark = ON_SQLITE
LATER = timedelta(seconds=31)


async def sweep(stage: Stage, after: timedelta = LATER) -> None:
    stage.clock.now += after
    await stage.platform.sweep()


async def states(stage: Stage) -> list[str]:
    streams = Streams(stage.database, 1)
    found = [await streams.find(update["dedupe_key"]) for update in await stage.inbox()]
    return [one.state for one in found if one is not None]


async def test_an_answer_nobody_fetched_goes_by_the_response_url(stage: Stage) -> None:
    stage.saying.parts = (Text("一"), Text("二"))
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    await sweep(stage)
    assert [one.text for one in stage.aibot.responses] == ["一\n\n二"]
    assert await states(stage) == ["switched"]
    await sweep(stage)
    assert len(stage.aibot.responses) == 1


async def test_a_poll_after_the_sweep_still_shows_the_answer(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    await sweep(stage)
    await stage.aibot.poll(said)
    assert (said.text, said.finished) == ("今天有两张券。", True)


async def test_what_is_being_fetched_is_left_alone(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.aibot.poll(said)
    stage.clock.now += timedelta(seconds=25)
    await stage.aibot.poll(said)
    await stage.run()
    await sweep(stage, timedelta(seconds=25))
    assert (stage.aibot.responses, await states(stage)) == ([], ["open"])


async def test_a_fetched_answer_is_left_alone(stage: Stage) -> None:
    await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    await sweep(stage)
    assert (stage.aibot.responses, await states(stage)) == ([], ["closed"])


async def test_an_answer_still_coming_is_waited_for(stage: Stage) -> None:
    stage.saying.parts = (Text("一"), Text("二"))
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.dispatch()
    await stage.way.deliver_one()
    await sweep(stage)
    assert stage.aibot.responses == []
    await stage.run()
    await sweep(stage)
    assert [one.text for one in stage.aibot.responses] == ["一\n\n二"]


async def test_an_empty_stream_ends_when_its_time_is_over(stage: Stage) -> None:
    said = await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.aibot.poll(said)
    await sweep(stage)
    assert await states(stage) == ["open"]
    await sweep(stage, timedelta(minutes=6))
    assert await states(stage) == ["switched"]


async def test_what_cannot_be_told_is_marked_on_its_rows(stage: Stage) -> None:
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    with capture_logs() as logs:
        await sweep(stage, timedelta(hours=1))
    assert await stage.outbox() == [("aibot", "failed", NO_WAY)]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["aibot.answer_not_fetched"]


async def test_what_may_have_arrived_is_unknown(stage: Stage) -> None:
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    stage.aibot.fail = [DROP]
    await sweep(stage)
    assert [status for _, status, _ in await stage.outbox()] == ["unknown"]
    assert await states(stage) == ["switched"]


async def test_what_wecom_may_take_later_is_tried_again(stage: Stage) -> None:
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    stage.aibot.fail = [{"errcode": -1}]
    await sweep(stage)
    assert (stage.aibot.responses, await states(stage)) == ([], ["open"])
    await sweep(stage)
    assert len(stage.aibot.responses) == 1


async def test_one_replica_sweeps_at_a_time(stage: Stage, database: Database, aibot: FakeAibot, clock: Clock) -> None:
    await stage.platform.sweep()
    await stage.aibot.say("zhangsan", "今天有什么券")
    await stage.run()
    async with stage_of(database, aibot, clock, owner="two") as other:
        clock.now += timedelta(seconds=29)
        await stage.platform.sweep()
        await sweep(other, timedelta(seconds=2))
        assert aibot.responses == []
        await sweep(stage, timedelta(seconds=1))
    assert len(aibot.responses) == 1


async def test_streams_are_forgotten_after_two_hours(stage: Stage) -> None:
    await finished(stage, await stage.aibot.say("zhangsan", "今天有什么券"))
    await sweep(stage, timedelta(hours=3))
    assert await states(stage) == []


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    """The company's WeCom."""
    async with FakeWecom(lambda: clock().timestamp()).running() as fake:
        yield fake


async def test_a_card_nobody_fetched_goes_by_the_app(
    stage: Stage, database: Database, aibot: FakeAibot, clock: Clock, wecom: FakeWecom
) -> None:
    app = WecomPlatform(wecom.settings, clock=lambda: clock().timestamp())
    async with stage_of(database, aibot, clock, app=app, owner="two") as other:
        await aibot.say("zhangsan", "方案")
        await other.run()
        await sweep(other)
    await app.close()
    (payload,) = wecom.screen("zhangsan")
    assert payload["template_card"]["button_list"][0]["key"] == "launch"
