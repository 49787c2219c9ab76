"""The loop behind dispatch and delivery: how it stops."""

from __future__ import annotations

import asyncio

import pytest

from bot.worker import Doorbell, running, whole, work_loop


async def test_a_loop_that_is_stopped_finishes_its_step() -> None:
    """A claim is committed before its work is started: stopped in between, nobody would know of the rows."""
    claimed, started = asyncio.Event(), asyncio.Event()

    async def step() -> int:
        claimed.set()
        await asyncio.sleep(0.05)
        started.set()
        return 1

    async with running(work_loop("test", step, Doorbell())):
        await claimed.wait()
    assert started.is_set()


async def test_a_step_that_hangs_does_not_keep_the_loop_from_stopping() -> None:
    hangs = asyncio.create_task(whole(asyncio.sleep(60), seconds=0.05))
    await asyncio.sleep(0)
    hangs.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(hangs, 2)
