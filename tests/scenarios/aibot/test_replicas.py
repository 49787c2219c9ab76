"""Two replicas of an aibot over one database, on both engines."""

from __future__ import annotations

import asyncio

from db.engine import Database
from tests.fakes.aibot import FakeAibot
from tests.scenarios.aibot.stage import Clock, Stage, stage_of


async def test_two_replicas_share_a_stream(database: Database, aibot: FakeAibot, clock: Clock, stage: Stage) -> None:
    async with stage_of(database, aibot, clock, owner="two") as other:
        said = await aibot.say("zhangsan", "今天有什么券")
        aibot.target = other.url
        await aibot.poll(said)
        assert not said.finished
        await stage.run()
        await aibot.follow(said, every=0.01)
        aibot.target = stage.url
        await aibot.poll(said)
    assert (said.text, said.finished) == ("今天有两张券。", True)


async def test_polls_of_two_replicas_at_once_show_a_card_once(
    database: Database, aibot: FakeAibot, clock: Clock, stage: Stage
) -> None:
    said = await aibot.say("zhangsan", "方案")
    await stage.run()
    async with stage_of(database, aibot, clock, owner="two") as other:
        for url in (stage.url, other.url) * 2:
            aibot.target = url
            await asyncio.gather(*(aibot.poll(said) for _ in range(3)))
    assert sum("template_card" in frame for frame in said.frames) == 1
