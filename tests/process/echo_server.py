"""The real server with one more handler, a place to die, and a clock that can be stepped.

Everything is wired as `daogou serve` wires it. The handler answers with what it was told, so that a test can tell
whose answer a reply is. With `deadly`, an event and a number, the process kills itself, as a machine dies, when that
event is logged for that time. SIGUSR1 steps the clock an hour forward, SIGUSR2 an hour back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import time_machine

from bot.cli.serve import listen, serve
from bot.config import Settings
from bot.logs import set_up_logging
from handlers.intents import Intent
from handlers.messages import Reply
from handlers.turn import Turn
from tests.fakes.checker import ECHO

SLOW = re.compile(r"^喊慢(\d+)")
DEADLY = "喊死"
STEPS = {signal.SIGUSR1: timedelta(hours=1), signal.SIGUSR2: timedelta(hours=-1)}


@dataclass(frozen=True, slots=True)
class Echo:
    """Answers 「回声 喊…」; 「喊慢3…」 takes three seconds, 「喊死…」 kills the process as a broken library does."""

    intent: ClassVar[Intent] = Intent("help", strong=re.compile("^喊"))

    async def __call__(self, turn: Turn) -> Reply:
        if slow := SLOW.match(turn.text):
            await asyncio.sleep(int(slow[1]))
        if turn.text.startswith(DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        return Reply.say("help", f"{ECHO}{turn.text}")


class Deadly(logging.Handler):
    """Kills the process the `count`th time an event is logged."""

    def __init__(self, event: str, count: int) -> None:
        super().__init__()
        self._event, self._left = event, count

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, dict) and record.msg.get("event") == self._event:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def step_clock(number: int, _frame: Any) -> None:
    """Let the time of day jump; the monotonic clock goes on."""
    time_machine.travel(datetime.now(UTC) + STEPS[signal.Signals(number)], tick=True).start()


def run(settings_file: str, deadly: Sequence[str]) -> None:
    """Serve until the process is asked to stop."""
    set_up_logging("INFO")
    if deadly:
        event, count = deadly
        logging.getLogger().addHandler(Deadly(event, int(count)))
    for number in STEPS:
        signal.signal(number, step_clock)
    settings = Settings(**json.loads(Path(settings_file).read_text(encoding="utf-8")))
    asyncio.run(serve(settings, listen(settings.server.host, settings.server.port), (Echo(),)))
