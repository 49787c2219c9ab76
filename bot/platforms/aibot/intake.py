"""What comes through the socket: decoded, committed in order, and watched until it is answered.

A callback is not acknowledged and does not come again, so a commit that fails is tried again for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.config import AibotSettings
from bot.platforms.aibot.acks import ask
from bot.platforms.aibot.connection import UPDATE, WELCOME, Frame, Link
from bot.platforms.aibot.decode import PLATFORM, Decoder
from bot.platforms.aibot.greeting import greeting
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.inbound import Undecodable
from bot.platforms.aibot.presses import Presses, asks_for_nothing
from bot.platforms.aibot.watch import Watch
from bot.platforms.base import SendError
from bot.platforms.services import Services
from handlers.messages import Update

log = structlog.get_logger()

Receive = Callable[[Update], Awaitable[bool]]
GONE = (SQLAlchemyError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class IntakeTiming:
    """Seconds: the pauses between attempts to commit, and for what is under way when stopping."""

    pauses: tuple[float, ...] = (0.5, 2.0, 5.0)
    drain: float = 5.0


IN_TIME = IntakeTiming()


class Intake:
    """Takes the callbacks of one bot. `link` gives the socket as it is now."""

    def __init__(
        self,
        settings: AibotSettings,
        services: Services,
        watch: Watch,
        link: Callable[[], Link | None],
        timing: IntakeTiming = IN_TIME,
    ) -> None:
        self._settings = settings
        self._services = services
        self._watch = watch
        self._link = link
        self._timing = timing
        self._presses = Presses.of(services)
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, frame: Frame) -> None:
        """Take a callback; it is worked on after those before it."""
        self._frames.put_nowait(frame)

    def start(self, tenant: str, receive: Receive) -> None:
        """Begin to work, in a task of the running loop."""
        settings, seal = self._settings, self._services.sealer.seal
        decoder = Decoder(tenant, settings.name, settings.bot_id, settings.base_url, seal)
        self._worker = asyncio.create_task(self._work(decoder, receive), name=f"aibot-intake-{tenant}")

    async def stop(self) -> None:
        """Commit what has come, within a few seconds, and leave no task behind."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            async with asyncio.timeout(self._timing.drain):
                await self._frames.join()
        except TimeoutError:
            log.error("aibot.messages_lost", count=self._frames.qsize())
        tasks = [worker, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, decoder: Decoder, receive: Receive) -> None:
        while True:
            frame = await self._frames.get()
            try:
                await self._take(decoder, receive, frame)
            except Exception:
                log.exception("aibot.callback_failed")
            finally:
                self._frames.task_done()

    async def _take(self, decoder: Decoder, receive: Receive, frame: Frame) -> None:
        try:
            update = decoder.decode(frame.body, self._services.clock(), frame.request)
        except Undecodable as error:
            log.warning("aibot.undecodable", field=str(error))
            return
        if not isinstance(update, Update):
            return
        if update.press and asks_for_nothing(update.press):
            shown = await self._presses.as_it_stands(update.press)
            if shown.frame is not None:
                self._run(self._answer(UPDATE, shown.frame, frame.request))
        elif await self._commit(receive, update):
            self._services.count(PLATFORM, "received")
            self._committed(update, frame.request)

    async def _commit(self, receive: Receive, update: Update) -> bool:
        """Return whether the update is new and safe."""
        for pause in self._timing.pauses:
            try:
                return await receive(update)
            except GONE as error:
                log.warning("aibot.commit_failed", error=type(error).__name__)
            await asyncio.sleep(pause)
        return await receive(update)

    def _committed(self, update: Update, request: str) -> None:
        hints = Hints.of(update.address)
        if update.kind == "enter":
            self._run(self._answer(WELCOME, greeting(self._settings.name), request))
        elif hints.stream:
            self._run(self._watch(hints))

    async def _answer(self, command: str, body: Mapping[str, Any], request: str) -> None:
        try:
            await ask(self._link(), command, body, request)
        except SendError as error:
            log.info("aibot.callback_not_answered", command=command, reason=error.reason)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
