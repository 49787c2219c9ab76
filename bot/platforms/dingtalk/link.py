"""One Stream connection: an SDK client with the task that keeps it connected.

The SDK keeps the socket, reads frames and writes acks. What wrong credentials mean, when a socket counts as dead and
when this connection is left for the next is decided by whoever holds the link.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from bot.config import DingtalkSettings
from bot.platforms.dingtalk.gateway import GatewayClosed, Unauthorised, open_connection
from bot.platforms.dingtalk.sdk import TOPICS, Callback, Hooks, Reconnect, new_client, quiet_logger

log = structlog.get_logger()

State = Literal["connecting", "connected", "unauthorised"]


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """Seconds: for the gateway's answer, for silence, after wrong credentials, for work under way when stopping.

    `handover` is how long a connection that ends waits for the next: the server cuts it after 10 seconds. One that is
    younger than `settled` is not handed over, so that a server that says goodbye at once is met with pauses.
    """

    gateway: float = 10.0
    idle: float = 120.0
    unauthorised: float = 300.0
    drain: float = 5.0
    handover: float = 8.0
    settled: float = 10.0
    reconnect: Reconnect = field(default_factory=Reconnect)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the holder of a link is asked: to take messages and presses, and to see to the next connection."""

    on_message: Callback
    on_press: Callback
    on_goodbye: Callable[[Link], bool]


class Link:
    """Connects as soon as it is started, again after every end, until it is stopped."""

    def __init__(self, settings: DingtalkSettings, tenant: str, callbacks: Callbacks, timing: StreamTiming) -> None:
        self.last_frame: float | None = None
        self._settings = settings
        self._tenant = tenant
        self._callbacks = callbacks
        self._timing = timing
        self._log = log.bind(tenant=tenant)
        self._client: Any = None
        self._retired = False
        self._unauthorised = False
        self._opened = asyncio.Event()
        self._opened_at = self._silent_since = 0.0
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._asking: asyncio.Task[Any] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """How the connection stands now."""
        if self._client is not None and self._client.websocket is not None:
            return "connected"
        return "unauthorised" if self._unauthorised else "connecting"

    def start(self) -> None:
        """Begin to connect, in a task of the running loop."""
        self._client = self._new_client(asyncio.get_running_loop())
        self._task = asyncio.create_task(self._run(), name=f"dingtalk-stream-{self._tenant}")

    def retire(self) -> None:
        """Connect no more; what still comes by the socket is taken."""
        self._retired = True

    async def opened(self, seconds: float) -> None:
        """Return once it has been connected, or after `seconds`."""
        await _within(self._opened.wait(), seconds)

    async def idle(self, seconds: float) -> None:
        """Return once no frame is being worked on and every ack is out, or after `seconds`."""
        await _within(self._idle.wait(), seconds)

    async def close_if_silent(self) -> None:
        """Close a socket that has been silent for too long; the SDK then connects anew.

        A half-dead socket (NAT, a laptop's sleep) looks open for hours, while the server's own ping is said to
        come every 20 to 30 seconds.
        """
        websocket = self._client.websocket
        if websocket is not None and time.monotonic() - self._silent_since > self._timing.idle:
            self._log.warning("dingtalk.silent", seconds=self._timing.idle)
            await websocket.close()

    async def stop(self) -> None:
        """Close the socket and leave no task behind."""
        self.retire()
        ending = [task for task in (self._task, self._asking) if task is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> Any:
        def open_from_thread() -> dict[str, str] | None:
            return asyncio.run_coroutine_threadsafe(self._ask_gateway(), loop).result()

        hooks = Hooks(
            open_connection=open_from_thread,
            opened=self._on_opened,
            heard=self._on_heard,
            busy=self._busy,
            goodbye=self._on_goodbye,
            on_message=self._callbacks.on_message,
            on_press=self._callbacks.on_press,
        )
        secret = self._settings.client_secret.get_secret_value()
        return new_client(self._settings.client_id, secret, hooks, self._timing.reconnect, quiet_logger(self._tenant))

    async def _run(self) -> None:
        """Keep the SDK's loop going: it returns after wrong credentials, and must never end for good."""
        while True:
            try:
                await self._client.start()
            except Exception as error:  # noqa: BLE001 (outermost loop)
                # Without the text: that of a websocket error may quote the address with its ticket.
                self._log.error("dingtalk.stream_died", error=type(error).__name__)
            wrong = self._unauthorised
            await asyncio.sleep(self._timing.unauthorised if wrong else self._timing.reconnect.first)

    async def _ask_gateway(self) -> dict[str, str] | None:
        """Return endpoint and ticket, None for another try later."""
        if self._retired:
            return None
        self._asking = asyncio.current_task()
        try:
            opened = await open_connection(self._settings, TOPICS, self._client.get_host_ip(), self._timing.gateway)
        except Unauthorised:
            self._unauthorised = True
            self._log.error("dingtalk.unauthorised", client_id=self._settings.client_id)
            await self._client.stop()
            return None
        except GatewayClosed as closed:
            self._log.warning("dingtalk.gateway_closed", why=str(closed))
            return None
        self._unauthorised = False
        return opened

    def _on_opened(self) -> None:
        self._opened_at = self._silent_since = time.monotonic()
        self._opened.set()
        self._log.info("dingtalk.connected")

    def _on_heard(self) -> None:
        self.last_frame = self._silent_since = time.monotonic()

    def _on_goodbye(self) -> bool:
        if time.monotonic() - self._opened_at < self._timing.settled:
            return False
        return self._callbacks.on_goodbye(self)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()


async def _within(happening: Awaitable[Any], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await happening
