"""The pretend DingTalk's Stream: tickets that work once, live sockets, frames out and acknowledgements in."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from bot.sandbox.dingtalk_api import ApiDoor, ApiRefusal, Handler, Json, read_json, refused
from bot.sandbox.dingtalk_frames import frame

TICKET_SECONDS = 90
ACK_SECONDS = 5.0


class NotConnected(Exception):
    """No live socket: the bot is not listening."""


@dataclass(frozen=True, slots=True)
class Link:
    """A live Stream socket and the base address its client came by."""

    socket: web.WebSocketResponse
    request: web.Request
    base: str


class Gateway:
    """Every connection of one app; a frame goes to one of them, as DingTalk sends it."""

    def __init__(
        self, credentials: tuple[str, str], door: ApiDoor, clock: Callable[[], float], ping_seconds: float
    ) -> None:
        self.links: list[Link] = []
        self._credentials = credentials
        self._door = door
        self._clock = clock
        self._ping_seconds = ping_seconds
        self._tickets: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    def any_link(self) -> Link:
        """Return one of the live sockets."""
        if not self.links:
            raise NotConnected("the bot is not connected")
        return random.choice(self.links)

    async def push(
        self, topic: str, data: Any, *, kind: str, message_id: str | None, link: Link | None, seconds: float
    ) -> Json:
        """Send one frame down a live socket and return its acknowledgement; `TimeoutError` without one."""
        link = link or self.any_link()
        message_id = message_id or uuid.uuid4().hex
        text = frame(topic, data, message_id, int(self._clock() * 1000), kind)
        with self._expecting(message_id) as answer:
            self._door.travelled("frame", json.loads(text))
            await link.socket.send_str(text)
            async with asyncio.timeout(seconds):
                return await answer

    def open(self, prefix: str) -> Handler:
        """Return the handler that gives out tickets for the socket under `prefix`."""

        async def handle(request: web.Request) -> web.Response:
            body = await read_json(request)
            if (body.get("clientId"), body.get("clientSecret")) != self._credentials:
                return refused(ApiRefusal("authFailed", status=401))
            ticket = uuid.uuid4().hex
            self._tickets[ticket] = self._clock() + TICKET_SECONDS
            scheme = "wss" if request.scheme == "https" else "ws"
            return web.json_response({"endpoint": f"{scheme}://{request.host}{prefix}/connect", "ticket": ticket})

        return handle

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it ends."""
        if self._tickets.pop(request.query.get("ticket", ""), 0.0) <= self._clock():
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        link = Link(socket, request, str(request.url.origin()) + request.path.removesuffix("/connect"))
        self.links.append(link)
        pings = asyncio.create_task(self._ping(link))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
        finally:
            pings.cancel()
            self.links.remove(link)
        return socket

    async def close_links(self, _app: web.Application) -> None:
        """End every connection."""
        for link in list(self.links):
            await link.socket.close(code=1001)

    @contextmanager
    def _expecting(self, message_id: str) -> Iterator[asyncio.Future[Json]]:
        answer = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            del self._waiting[message_id]

    def _acknowledged(self, ack: Json) -> None:
        self._door.travelled("ack", ack)
        answer = self._waiting.get(ack["headers"].get("messageId", ""))
        if answer and not answer.done():
            answer.set_result(ack)

    async def _ping(self, link: Link) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            now = int(self._clock() * 1000)
            await link.socket.send_str(frame("ping", {"opaque": uuid.uuid4().hex}, uuid.uuid4().hex, now, "SYSTEM"))
