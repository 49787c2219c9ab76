"""One socket to WeCom: frames out with their acknowledgement, callbacks in, kept alive by pings (WeCom doc 101463).

    {"cmd": …, "headers": {"req_id": …}, "body": …}              a request of either side
    {"headers": {"req_id": …}, "errcode": 0, "errmsg": "ok"}     its acknowledgement

At most one frame of a req_id is under way: the next one waits for the acknowledgement of the last.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from bot.json_text import to_json

log = structlog.get_logger()

SUBSCRIBE = "aibot_subscribe"
PING = "ping"
MESSAGE = "aibot_msg_callback"
EVENT = "aibot_event_callback"
RESPOND = "aibot_respond_msg"
WELCOME = "aibot_respond_welcome_msg"
UPDATE = "aibot_respond_update_msg"
SEND = "aibot_send_msg"
CALLBACKS = frozenset({MESSAGE, EVENT})


class NotConnected(Exception):
    """There is no socket, and nothing has been sent; the message is a word for the log."""


class NoAck(Exception):
    """The frame went out and no acknowledgement came: what became of it is not known."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A callback: the command, the id its answers carry, and what it says."""

    command: str
    request: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Seconds for the connection, for an acknowledgement, between pings; how many pings may go unanswered."""

    connect: float = 10.0
    ack: float = 5.0
    ping: float = 30.0
    missed: int = 2
    close: float = 2.0


IN_TIME = LinkTiming()


class Link:
    """An open socket."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, on_frame: Callable[[Frame], None], timing: LinkTiming
    ) -> None:
        self._socket = socket
        self._on_frame = on_frame
        self._timing = timing
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._ended = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether frames can go out."""
        return not self._socket.closed and not self._ended.is_set()

    async def request(self, command: str, body: Mapping[str, Any], request: str = "") -> Mapping[str, Any]:
        """Send a frame and return its acknowledgement; `NotConnected` before, `NoAck` after it has gone out."""
        request = request or f"{command}_{secrets.token_hex(8)}"
        while request in self._waiting:
            await asyncio.wait([self._waiting[request]])
        if not self.open:
            raise NotConnected("closed")
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request] = answer
        try:
            await self._write({"cmd": command, "headers": {"req_id": request}, "body": body})
            async with asyncio.timeout(self._timing.ack):
                await answer
        except TimeoutError as error:
            raise NoAck(command) from error
        finally:
            del self._waiting[request]
            answer.cancel()
        return answer.result()

    async def read(self) -> None:
        """Take frames until the socket closes."""
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        finally:
            self._end()

    async def keep_alive(self) -> None:
        """Ping; close a socket that does not answer, because a half-dead one looks open for hours."""
        missed = 0
        while missed < self._timing.missed:
            await asyncio.sleep(self._timing.ping)
            try:
                await self.request(PING, {})
                missed = 0
            except (NoAck, NotConnected):
                missed += 1
        log.warning("aibot.silent")
        await self.close()

    async def ended(self) -> None:
        """Return when the socket is closed."""
        await self._ended.wait()

    async def close(self) -> None:
        """Close the socket."""
        try:
            async with asyncio.timeout(self._timing.close):
                await self._socket.close()
        except TimeoutError:
            log.info("aibot.close_unanswered")
        self._end()

    async def _write(self, frame: Mapping[str, Any]) -> None:
        try:
            await self._socket.send_str(to_json(frame))
        except (ConnectionError, aiohttp.ClientError) as error:
            raise NotConnected(type(error).__name__) from error

    def _take(self, text: str) -> None:
        frame = _parsed(text)
        if frame is None:
            log.warning("aibot.bad_frame")
            return
        headers = frame.get("headers")
        request = str(headers.get("req_id") or "") if isinstance(headers, dict) else ""
        waiting = self._waiting.get(request)
        if "errcode" in frame:
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
            return
        command, body = str(frame.get("cmd") or ""), frame.get("body")
        if command in CALLBACKS and isinstance(body, dict):
            self._on_frame(Frame(command, request, body))
        else:
            log.info("aibot.unknown_frame", command=command[:40])

    def _end(self) -> None:
        self._ended.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAck("closed"))


@asynccontextmanager
async def open_link(
    http: aiohttp.ClientSession, url: str, on_frame: Callable[[Frame], None], timing: LinkTiming = IN_TIME
) -> AsyncIterator[Link]:
    """Yield a connected socket that is read and kept alive while the block runs; `NotConnected` without one."""
    try:
        async with asyncio.timeout(timing.connect):
            socket = await http.ws_connect(url)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotConnected(type(error).__name__) from None
    link = Link(socket, on_frame, timing)
    tasks = [asyncio.create_task(link.read()), asyncio.create_task(link.keep_alive())]
    try:
        yield link
    finally:
        await link.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None
