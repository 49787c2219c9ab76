"""DingTalk's Stream connection, supervised: frames in, `receive` committed, acknowledgement out.

    gateway → one-use ticket → websocket → frame → decode → receive (commits) → ack

The socket is the SDK's (dingtalk-stream 0.24.4b1, pinned). It was kept because none of its faults costs a message
once it is held like this, and DingTalk answers for the protocol it speaks:

- its gateway call blocks a thread for ten seconds and logs tickets; ours is asynchronous and logs neither
- it leaves a connection that ends (frame `disconnect`, every twelve hours or so) before it opens the next, one to two
  seconds in which nobody listens; we open the next with a second client first and leave the old one then
- it cancels its handlers when a socket closes; a commit under way is shielded and finishes, only the ack is lost, and
  what DingTalk then brings again under a new id has the same dedupe key
- it does not notice a half-dead socket; silence of two minutes closes it
- it returns after wrong credentials; it is started again after five minutes, and the health check says so

What is left is a connection that breaks without a word. Until the next one is open, one to two seconds later,
DingTalk has nowhere to deliver to, with any client; its own SDKs expect it to deliver again within 60 seconds.

Nothing that people read goes through the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from bot.config import DingtalkSettings
from bot.platforms.dingtalk.arrivals import PRESS_TAKEN, Arrivals, Receive
from bot.platforms.dingtalk.link import Callbacks, Link, State, StreamTiming
from bot.platforms.services import Services

log = structlog.get_logger()

ACK_OK = 200
# For the acks of what is committed to leave the socket before it is closed.
ACK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What a health check shows; `last_frame` is a monotonic time, None before the first frame."""

    state: State | Literal["stopped"]
    last_frame: float | None
    over_quota: int


def utc_now() -> datetime:
    """Return the moment an update is stamped with."""
    return datetime.now(UTC)


class DingtalkStream:
    """Keeps one app connected and hands every update to `receive` before it is acknowledged.

    `receive` commits the update and says whether it is new. When it raises, the frame is not acknowledged, so
    that DingTalk may deliver it again.
    """

    def __init__(
        self,
        settings: DingtalkSettings,
        tenant: str,
        receive: Receive,
        timing: StreamTiming | None = None,
        now: Callable[[], datetime] = utc_now,
        services: Services | None = None,
    ) -> None:
        self._settings = settings
        self._tenant = tenant
        self._timing = timing or StreamTiming()
        self._arrivals = Arrivals(tenant, receive, now, services)
        self._log = log.bind(tenant=tenant)
        self._link: Link | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._receiving: set[asyncio.Task[None]] = set()

    @property
    def status(self) -> StreamStatus:
        """How the connection stands now."""
        if self._link is None:
            return StreamStatus("stopped", None, self._arrivals.over_quota)
        return StreamStatus(self._link.state, self._link.last_frame, self._arrivals.over_quota)

    def start(self) -> None:
        """Begin to connect, in tasks of the running loop."""
        if self._link is not None:
            raise RuntimeError("the stream is already running")
        self._link = self._new_link()
        self._watchdog = asyncio.create_task(self._watch(), name=f"dingtalk-watchdog-{self._tenant}")

    async def stop(self) -> None:
        """Let work under way be acknowledged, close the socket, and leave no task behind."""
        link, self._link = self._link, None
        ending = [*self._leaving, self._watchdog] if self._watchdog else [*self._leaving]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if link is not None:
            link.retire()
            await self._finish(self._timing.drain)
            await link.idle(ACK_SECONDS)
            await link.stop()
        await self._finish(0)

    def _new_link(self) -> Link:
        callbacks = Callbacks(self._on_message, self._on_press, self._on_goodbye)
        link = Link(self._settings, self._tenant, callbacks, self._timing)
        link.start()
        return link

    async def _watch(self) -> None:
        """Look after the current connection, also when another has taken its place."""
        while True:
            await asyncio.sleep(self._timing.idle / 4)
            if self._link is not None:
                await self._link.close_if_silent()

    def _on_goodbye(self, link: Link) -> bool:
        """Open the next connection at once and leave this one when that is open."""
        if link is not self._link:
            return True
        link.retire()
        self._link = self._new_link()
        task = asyncio.create_task(self._leave(link, self._link), name=f"dingtalk-handover-{self._tenant}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return True

    async def _leave(self, old: Link, new: Link) -> None:
        try:
            await new.opened(self._timing.handover)
            await old.idle(self._timing.drain)
        finally:
            await old.stop()
        self._log.info("dingtalk.handed_over", connected=new.state == "connected")

    async def _on_message(self, data: Any, _message_id: str) -> tuple[int, Any]:
        """Take a bot message; DingTalk ignores the content of the answer."""
        await self._shielded(self._arrivals.message(data))
        return ACK_OK, None

    async def _on_press(self, data: Any, message_id: str) -> tuple[int, Any]:
        """Take a press within its 2 seconds."""
        await self._shielded(self._arrivals.press(data, message_id))
        return ACK_OK, PRESS_TAKEN

    async def _shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Return once the work is done; the SDK's cancelling of its handlers does not cut a commit off."""
        task = asyncio.create_task(work)
        self._receiving.add(task)
        task.add_done_callback(self._done)
        await asyncio.shield(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._receiving.discard(task)
        if task.cancelled():
            self._log.warning("dingtalk.receive_cut_off")
        elif error := task.exception():
            # The type only: a database error quotes the row, and with it the message.
            self._log.error("dingtalk.receive_failed", error=type(error).__name__)

    async def _finish(self, seconds: float) -> None:
        """Let commits under way finish within the time set, then give them up."""
        if not self._receiving:
            return
        _, late = await asyncio.wait(set(self._receiving), timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
