"""The SDK's client in an interpreter of its own, where nothing else has loaded what it forgets to import."""

from __future__ import annotations

import subprocess
import sys

AN_ERROR_BEFORE_THE_FIRST_CONNECTION = """
import asyncio, contextlib, sys
from bot.platforms.dingtalk.sdk import Hooks, Reconnect, new_client, quiet_logger

asked = []

def open_connection():
    asked.append(1)
    raise OSError("no network yet")

async def never(data, message_id):
    raise AssertionError

async def main():
    assert "dingtalk_stream" not in sys.modules, "the SDK is loaded before it is needed"
    nothing = lambda: None
    hooks = Hooks(open_connection, nothing, nothing, contextlib.nullcontext, lambda: False, never, never)
    client = new_client("id", "secret", hooks, Reconnect(0.01, 0.01, 0.0), quiet_logger("acme"))
    running = asyncio.create_task(client.start())
    async with asyncio.timeout(5):
        while len(asked) < 3:
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()

asyncio.run(main())
"""


def test_an_error_before_the_first_connection_does_not_end_the_client() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", AN_ERROR_BEFORE_THE_FIRST_CONNECTION], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
