"""The acknowledgement does not wait for the answer: on the real server, with a model that takes its time."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import SecretStr

from bot.config import LlmSettings
from tests.demo_server import demo_settings, serve
from tests.fakes.dingtalk import until
from tests.fakes.llm import FakeLlm, stall

SLOW_SECONDS = 3.0


async def test_the_ack_comes_before_a_slow_answer(seeded_url: str, tmp_path: Path) -> None:
    async with FakeLlm(stall(SLOW_SECONDS)) as model:
        llm = LlmSettings(base_url=model.base_url, api_key=SecretStr("k"), timeout_seconds=5, total_seconds=5)
        async with serve(demo_settings(seeded_url, tmp_path / "state", llm=llm)) as demo:
            await until(lambda: bool(demo.stage.dingtalk.links))
            asked = time.monotonic()
            ack = await demo.stage.dingtalk.say("hq1", "随便想个办法让大家开心一点")
            acknowledged = time.monotonic() - asked
            await demo.shown("dingtalk", "hq1", lambda text: text.count("'direction': 'in'") > 0)
            answered = time.monotonic() - asked
    assert ack["code"] == 200
    assert model.requests
    assert acknowledged < 1.0
    assert answered > 2.0
