"""The loop behind dispatch and delivery: claim what there is room for, work on it, wait for the bell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")

SWEEP_SECONDS = 5.0
PAUSE_AFTER_ERROR, LONGEST_PAUSE = 1.0, 5.0
DRAIN_SECONDS = 20.0
FREE_SECONDS = 2.0
# How long a claim may take to end when its loop is stopped.
STEP_SECONDS = 2.0


class Doorbell:
    """Wakes one loop. The tables are the truth: a lost ring costs the wait for the next sweep, not a message."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Say that there may be work."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


class TaskPool:
    """At most `size` pieces of work at once, none forgotten: a slow one does not hold up the others."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._running: dict[asyncio.Task[None], tuple[int, ...]] = {}

    @property
    def room(self) -> int:
        """How many more may be started."""
        return max(0, self._size - len(self._running))

    @property
    def ids(self) -> list[int]:
        """The rows that are being worked on."""
        return [row_id for ids in self._running.values() for row_id in ids]

    def start(self, work: Coroutine[Any, Any, None], when_done: Callable[[], None], ids: Iterable[int] = ()) -> None:
        """Run `work`, which is about these rows, as a task of its own; an error it lets out is logged."""
        task = asyncio.create_task(self._logged(work))
        self._running[task] = tuple(ids)
        task.add_done_callback(self._done)
        task.add_done_callback(lambda _: when_done())

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)

    @staticmethod
    async def _logged(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("worker.task_failed")

    async def drain(self, seconds: float = DRAIN_SECONDS) -> list[int]:
        """Wait for what is running; what is not done by then is cancelled. Returns the rows of that."""
        if not self._running:
            return []
        _, late = await asyncio.wait(self._running, timeout=seconds)
        ids = [row_id for task in late for row_id in self._running.get(task, ())]
        for task in late:
            task.cancel()
        if late:  # they set their rows free, where the database lets them
            await asyncio.wait(late, timeout=FREE_SECONDS)
        return ids


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as a task while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def every(seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
    """Call `work` again and again with this pause, until cancelled; an error is logged and ends nothing."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("worker.failed", worker=name)
        await asyncio.sleep(seconds)


async def whole(work: Coroutine[Any, Any, T], seconds: float = STEP_SECONDS) -> T:
    """Return what `work` returns; who is cancelled meanwhile goes when it has ended, or after `seconds`.

    A claim that is cut off between its commit and the start of its work leaves rows to an owner who does not know
    of them: nobody touches them until their lease runs out, and a send among them counts as interrupted.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


async def work_loop(
    name: str, step: Callable[[], Coroutine[Any, Any, int]], bell: Doorbell, sweep_seconds: float = SWEEP_SECONDS
) -> None:
    """Call `step` until it finds nothing to do, wait for the bell or the sweep, and so on until cancelled;
    a step that is under way then is still finished.

    This is the outermost loop: an error is logged with its traceback and the loop goes on, after a pause that
    doubles while errors follow each other.
    """
    pause = PAUSE_AFTER_ERROR
    while True:
        try:
            worked = await whole(step())
        except Exception:
            log.exception("worker.failed", worker=name)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            continue
        pause = PAUSE_AFTER_ERROR
        if not worked:
            await bell.wait(sweep_seconds)
