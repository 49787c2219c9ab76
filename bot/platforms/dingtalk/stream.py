"""DingTalk's Stream connection, supervised: frames in, `receive` committed, acknowledgement out.

    gateway → one-use ticket → websocket → frame → decode → receive (commits) → ack

The SDK keeps the socket, reads frames and writes acks. Deciding when a silent socket is dead, what wrong
credentials mean and what becomes of a commit when the socket closes is done here. Nothing that people read goes
through it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from bot.config import DingtalkSettings
from bot.platforms.dingtalk.decode import Undecodable, decode_message, decode_press, is_over_quota
from bot.platforms.dingtalk.gateway import GatewayClosed, Unauthorised, open_connection
from bot.platforms.dingtalk.sdk import TOPICS, Hooks, Reconnect, new_client, quiet_logger
from handlers.messages import Update

log = structlog.get_logger()

ACK_OK = 200

State = Literal["stopped", "connecting", "connected", "unauthorised"]
Receive = Callable[[Update], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """Seconds: for the gateway's answer, for silence, after wrong credentials, for commits when stopping."""

    gateway: float = 10.0
    idle: float = 120.0
    unauthorised: float = 300.0
    drain: float = 5.0
    reconnect: Reconnect = field(default_factory=Reconnect)


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What a health check shows; `last_frame` is a monotonic time, None before the first frame."""

    state: State
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
        timing: StreamTiming = StreamTiming(),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._tenant = tenant
        self._receive = receive
        self._timing = timing
        self._now = now
        self._log = log.bind(tenant=tenant)
        self._client: Any = None
        self._state: State = "stopped"
        self._last_frame: float | None = None
        self._silent_since = 0.0
        self._over_quota = 0
        self._asking: asyncio.Task[Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._receiving: set[asyncio.Task[bool]] = set()

    @property
    def status(self) -> StreamStatus:
        """How the connection stands now."""
        connected = self._client is not None and self._client.websocket is not None
        return StreamStatus("connected" if connected else self._state, self._last_frame, self._over_quota)

    def start(self) -> None:
        """Begin to connect, in tasks of the running loop."""
        if self._tasks:
            raise RuntimeError("the stream is already running")
        self._state = "connecting"
        self._client = self._new_client(asyncio.get_running_loop())
        self._tasks = [
            asyncio.create_task(self._run(), name=f"dingtalk-stream-{self._tenant}"),
            asyncio.create_task(self._watch(), name=f"dingtalk-watchdog-{self._tenant}"),
        ]

    async def stop(self) -> None:
        """Close the socket, let commits under way finish, and leave no task behind."""
        self._state = "stopped"
        ending = [*self._tasks, self._asking] if self._asking else self._tasks
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._tasks, self._asking = [], None
        await self._drain()

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> Any:
        def open_from_thread() -> dict[str, str] | None:
            return asyncio.run_coroutine_threadsafe(self._ask_gateway(), loop).result()

        hooks = Hooks(open_from_thread, self._heard, self._on_message, self._on_press)
        secret = self._settings.client_secret.get_secret_value()
        logger = quiet_logger(self._tenant)
        return new_client(self._settings.client_id, secret, hooks, self._timing.reconnect, logger)

    async def _run(self) -> None:
        """Keep the SDK's loop going: it returns after wrong credentials, and must never end for good."""
        while True:
            try:
                await self._client.start()
            except Exception as error:  # noqa: BLE001 (outermost loop)
                # Without the text: that of a websocket error may quote the address with its ticket.
                self._log.error("dingtalk.stream_died", error=type(error).__name__)
            wrong = self._state == "unauthorised"
            await asyncio.sleep(self._timing.unauthorised if wrong else self._timing.reconnect.first)

    async def _watch(self) -> None:
        """Close a socket that has been silent for too long; the SDK then connects anew.

        A half-dead socket (NAT, a laptop's sleep) looks open for hours, while the server's own ping is said to
        come every 20 to 30 seconds.
        """
        while True:
            await asyncio.sleep(self._timing.idle / 4)
            websocket = self._client.websocket
            if websocket is not None and time.monotonic() - self._silent_since > self._timing.idle:
                self._log.warning("dingtalk.silent", seconds=self._timing.idle)
                await websocket.close()

    async def _ask_gateway(self) -> dict[str, str] | None:
        """Return endpoint and ticket, None for another try later."""
        if self._state == "stopped":
            return None
        self._asking = asyncio.current_task()
        try:
            opened = await open_connection(self._settings, TOPICS, self._client.get_host_ip(), self._timing.gateway)
        except Unauthorised:
            await self._give_up_for_long()
            return None
        except GatewayClosed as closed:
            self._log.warning("dingtalk.gateway_closed", why=str(closed))
            return None
        self._state, self._silent_since = "connecting", time.monotonic()
        return opened

    async def _give_up_for_long(self) -> None:
        self._state = "unauthorised"
        self._log.error("dingtalk.unauthorised", client_id=self._settings.client_id)
        await self._client.stop()

    def _heard(self) -> None:
        self._last_frame = self._silent_since = time.monotonic()

    async def _on_message(self, data: Any, _message_id: str) -> tuple[int, Any]:
        """Take a bot message; DingTalk ignores the content of the answer."""
        if is_over_quota(data):
            self._over_quota += 1
            self._log.error("dingtalk.quota_spent", count=self._over_quota)
            return ACK_OK, None
        await self._accept(lambda: decode_message(data, self._tenant, self._now()))
        return ACK_OK, None

    async def _on_press(self, data: Any, message_id: str) -> tuple[int, Any]:
        """Take a press within its 2 seconds: the empty answer leaves the card, delivery updates it for everyone."""
        await self._accept(lambda: decode_press(data, self._tenant, self._now(), message_id))
        return ACK_OK, {}

    async def _accept(self, decode: Callable[[], Update]) -> None:
        """Return once the update is committed.

        The SDK cancels its handlers when the socket closes; the shield keeps that from cutting a commit off. What
        can never be decoded is acknowledged too, because it would only come again.
        """
        try:
            update = decode()
        except Undecodable as error:
            self._log.warning("dingtalk.undecodable", field=str(error))
            return
        task = asyncio.create_task(self._commit(update))
        self._receiving.add(task)
        task.add_done_callback(self._committed)
        await asyncio.shield(task)

    async def _commit(self, update: Update) -> bool:
        return await self._receive(update)

    def _committed(self, task: asyncio.Task[bool]) -> None:
        self._receiving.discard(task)
        if task.cancelled():
            self._log.warning("dingtalk.receive_cut_off")
        elif error := task.exception():
            # The type only: a database error quotes the row, and with it the message.
            self._log.error("dingtalk.receive_failed", error=type(error).__name__)
        else:
            self._log.info("dingtalk.received", new=task.result())

    async def _drain(self) -> None:
        """Let commits under way finish within the time set, then give them up."""
        if not self._receiving:
            return
        _, late = await asyncio.wait(set(self._receiving), timeout=self._timing.drain)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
