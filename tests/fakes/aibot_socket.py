"""WeCom's end of an aibot's long connection, strict: one subscription, an acknowledgement for every frame.

    request = await cloud.say("ZhangSan", "今天有什么券")
    await until(lambda: cloud.texts("ZhangSan") == ["…"])

`plan[cmd]` holds what happens to the next frames of a command, in order: an errcode answers instead of doing
anything, SILENT does it and says nothing, CUT does it and cuts the connection. What a page forbids is in `faults`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web

from bot.config import AibotSettings
from bot.loopback import loopback_site
from tests.fakes.aibot_rules import STREAM_BYTES, card_faults

BOT_ID = "aibMKzGqTzp7qXxTAQnuhXd0ACAAAAAA"
SECRET = "long-connection-secret"
SIX_MINUTES, ONE_DAY, EVENT_SECONDS = 360.0, 86400.0, 5.0
PER_MINUTE = 30
CHUNK_BYTES = 512 * 1024
WRONG_SECRET, REQUEST_OVER, STREAM_OVER, INVALID_CHAT = 40001, 846605, 846608, 93006
CARD_EXISTS, MEDIA_GONE, TOO_OFTEN, BAD_PARAMETER = 42014, 40007, 45009, 40058
SILENT = "silent"
CUT = "cut"


class Refusal(Exception):
    """An errcode other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class _Request:
    """What was called back under a req_id."""

    kind: str
    chat: str
    at: float
    card: str = ""
    used: bool = False


@dataclass
class _Stream:
    """One stream on the screen."""

    shown: dict[str, Any]
    first: float
    finished: bool = False


@dataclass(eq=False)
class Connection:
    """One socket."""

    socket: web.WebSocketResponse
    request: web.Request
    subscribed: bool = False
    busy: set[str] = field(default_factory=set)


class FakeAibotSocket:
    """One bot and its chats."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.url = ""
        self.faults: list[str] = []
        self.frames: list[dict[str, Any]] = []
        self.plan: defaultdict[str, list[int | str]] = defaultdict(list)
        self.screens: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.cards: dict[str, dict[str, Any]] = {}
        self.media: dict[str, bytes] = {}
        self.connections: list[Connection] = []
        self.kicked = 0
        self.ack_seconds = 0.0
        self._clock = clock
        self._requests: dict[str, _Request] = {}
        self._streams: dict[str, _Stream] = {}
        self._uploads: dict[str, dict[str, Any]] = {}
        self._groups: set[str] = set()
        self._sent: defaultdict[str, list[float]] = defaultdict(list)
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def settings(self, **changes: Any) -> AibotSettings:
        """The settings of this bot."""
        values = {"mode": "socket", "name": "店小二", "bot_id": BOT_ID, "secret": SECRET, "socket_url": self.url}
        return AibotSettings.model_validate(values | changes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeAibotSocket]:
        """Take connections while the block runs."""
        app = web.Application()
        app.router.add_get("/", self._connected)
        async with loopback_site(app) as address:
            self.url = address.replace("http", "ws")
            yield self
            await self.cut()

    # People.

    async def say(self, user: str, text: str, *, chat: str = "", id: str = "") -> str:  # noqa: A002
        """Write to the bot and return the req_id it was called back with."""
        content = f"@店小二 {text}" if chat else text
        return await self.call("aibot_msg_callback", user, chat, {"msgtype": "text", "text": {"content": content}}, id)

    async def press(self, user: str, task_id: str, button: str, *, chat: str = "") -> str:
        """Press a button and return the req_id."""
        event = {"card_type": "button_interaction", "event_key": button, "task_id": task_id}
        return await self.event(user, "template_card_event", event, chat=chat)

    async def event(self, user: str, name: str, event: dict[str, Any], *, chat: str = "") -> str:
        """Let something happen and return the req_id."""
        body = {"msgtype": "event", "event": {"eventtype": name, name: event}}
        return await self.call("aibot_event_callback", user, chat, body)

    async def call(self, command: str, user: str, chat: str, body: dict[str, Any], id: str = "") -> str:  # noqa: A002
        """Send a callback down the subscribed socket."""
        request = f"req-{next(self._ids)}"
        event = body.get("event", {}).get("eventtype", "message")
        card = body.get("event", {}).get("template_card_event", {}).get("task_id", "")
        self._requests[request] = _Request(event, chat or user, self._now(), card)
        if chat:
            self._groups.add(chat)
        where = {"chattype": "group", "chatid": chat} if chat else {"chattype": "single"}
        head = {"msgid": id or f"msg-{request}", "aibotid": BOT_ID, **where, "from": {"userid": user}}
        self.screens[chat or user] = self.screens[chat or user]
        await self._send(self.subscribed[-1], command, request, head | body)
        return request

    def texts(self, chat: str) -> list[str]:
        """What a chat shows, as text."""
        return [_text(shown) for shown in self.screens[chat]]

    # The wire.

    @property
    def subscribed(self) -> list[Connection]:
        """The connections that may be called back."""
        return [one for one in self.connections if one.subscribed]

    def sent(self, command: str) -> list[dict[str, Any]]:
        """The bodies that came with a command."""
        return [frame["body"] for frame in self.frames if frame["cmd"] == command]

    async def cut(self) -> None:
        """Cut every connection without a word."""
        for one in list(self.connections):
            if one.request.transport is not None:
                one.request.transport.abort()

    async def raw(self, text: str) -> None:
        """Send something that may be no frame."""
        await self.subscribed[-1].socket.send_str(text)

    async def kick(self) -> None:
        """Let a connection of somebody else take over."""
        for one in list(self.connections):
            await self._disconnect(one)

    async def _connected(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.connections.append(connection)
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._run(self._take(connection, json.loads(message.data)))
        finally:
            self.connections.remove(connection)
        return socket

    async def _take(self, connection: Connection, frame: dict[str, Any]) -> None:
        command, request = frame["cmd"], frame["headers"]["req_id"]
        self.frames.append(frame)
        if not connection.subscribed and command != "aibot_subscribe":
            self.faults.append(f"{command} before the subscription")
        if request in connection.busy:
            self.faults.append("a second frame of one req_id under way")
        connection.busy.add(request)
        await asyncio.sleep(self.ack_seconds)
        plan = self.plan[command].pop(0) if self.plan[command] else None
        body: dict[str, Any] = {}
        code = plan if isinstance(plan, int) else 0
        if not code:
            try:
                body = self._done(connection, command, request, frame["body"]) or {}
            except Refusal as refusal:
                code = refusal.code
        connection.busy.discard(request)
        if plan == CUT and connection.request.transport is not None:
            connection.request.transport.abort()
        elif plan != SILENT and not connection.socket.closed:
            ack = {"headers": {"req_id": request}, "errcode": code, "errmsg": "ok" if not code else "refused"}
            await connection.socket.send_str(json.dumps(ack | ({"body": body} if body else {})))

    def _done(self, connection: Connection, command: str, request: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if command.startswith("aibot_upload_media_"):
            return self._upload(command, body)
        if command == "aibot_subscribe":
            self._subscribe(connection, body)
        elif command == "aibot_send_msg":
            self._push(body)
        elif command == "aibot_respond_msg":
            self._respond(request, body)
        elif command == "aibot_respond_update_msg":
            self._update(request, body)
        elif command == "aibot_respond_welcome_msg":
            self._welcome(request, body)
        elif command != "ping":
            self.faults.append(f"unknown command {command}")
        return None

    def _subscribe(self, connection: Connection, body: dict[str, Any]) -> None:
        if body != {"bot_id": BOT_ID, "secret": SECRET}:
            raise Refusal(WRONG_SECRET)
        for other in self.subscribed:
            self._run(self._disconnect(other))
        connection.subscribed = True

    async def _disconnect(self, connection: Connection) -> None:
        connection.subscribed = False
        self.kicked += 1
        body = {"msgid": f"d-{next(self._ids)}", "msgtype": "event", "event": {"eventtype": "disconnected_event"}}
        await self._send(connection, "aibot_event_callback", f"req-{next(self._ids)}", body)
        await connection.socket.close()

    def _respond(self, request: str, body: dict[str, Any]) -> None:
        known = self._requests.get(request)
        if known is None or known.kind != "message" or self._now() - known.at > ONE_DAY:
            raise Refusal(REQUEST_OVER)
        self._count(known.chat)
        if body["msgtype"] == "stream":
            self._stream(known.chat, body["stream"])
        else:
            self._show(known.chat, body)

    def _stream(self, chat: str, stream: dict[str, Any]) -> None:
        known = self._streams.get(stream["id"])
        if known is None:
            known = self._streams[stream["id"]] = _Stream({"msgtype": "stream"}, self._now())
            self.screens[chat].append(known.shown)
        if known.finished:
            self.faults.append("a frame after the end of its stream")
        if known.finished or self._now() - known.first > SIX_MINUTES:
            raise Refusal(STREAM_OVER)
        if len(stream["content"].encode()) > STREAM_BYTES:
            self.faults.append("a stream too long")
        known.shown["stream"] = stream
        known.finished = stream["finish"]

    def _push(self, body: dict[str, Any]) -> None:
        chat = body["chatid"]
        if chat not in self.screens or body["chat_type"] != (2 if chat in self._groups else 1):
            raise Refusal(INVALID_CHAT)
        self._count(chat)
        self._show(chat, {name: value for name, value in body.items() if name not in {"chatid", "chat_type"}})

    def _show(self, chat: str, message: dict[str, Any]) -> None:
        kind = message["msgtype"]
        if set(message) != {"msgtype", kind} or kind not in {"markdown", "template_card", "image", "file"}:
            raise Refusal(BAD_PARAMETER)
        if kind in {"image", "file"} and message[kind]["media_id"] not in self.media:
            raise Refusal(MEDIA_GONE)
        if kind == "template_card":
            card = message[kind]
            self.faults += card_faults(card)
            if card["task_id"] in self.cards:
                raise Refusal(CARD_EXISTS)
            self.cards[card["task_id"]] = card
        self.screens[chat].append(message)

    def _update(self, request: str, body: dict[str, Any]) -> None:
        known = self._requests.get(request)
        if known is None or known.kind != "template_card_event" or known.used:
            raise Refusal(REQUEST_OVER)
        if self._now() - known.at > EVENT_SECONDS:
            raise Refusal(REQUEST_OVER)
        card = body["template_card"]
        if body["response_type"] != "update_template_card" or card["task_id"] != known.card:
            self.faults.append("an update of another card")
        self.faults += card_faults(card)
        known.used = True
        self.cards[known.card] = card

    def _welcome(self, request: str, body: dict[str, Any]) -> None:
        known = self._requests.get(request)
        if known is None or known.kind != "enter_chat" or self._now() - known.at > EVENT_SECONDS:
            raise Refusal(REQUEST_OVER)
        self.screens[known.chat].append(body)

    def _upload(self, command: str, body: dict[str, Any]) -> dict[str, Any]:
        if command.endswith("init"):
            upload_id = secrets.token_hex(8)
            self._uploads[upload_id] = body | {"pieces": {}}
            return {"upload_id": upload_id}
        upload = self._uploads[body["upload_id"]]
        if command.endswith("chunk"):
            piece = base64.b64decode(body["base64_data"])
            if len(piece) > CHUNK_BYTES or not 0 <= body["chunk_index"] < upload["total_chunks"]:
                raise Refusal(BAD_PARAMETER)
            upload["pieces"][body["chunk_index"]] = piece
            return {}
        whole = b"".join(upload["pieces"][number] for number in sorted(upload["pieces"]))
        if hashlib.md5(whole).hexdigest() != upload["md5"] or len(whole) != upload["total_size"]:
            raise Refusal(BAD_PARAMETER)
        media_id = f"media-{secrets.token_hex(8)}"
        self.media[media_id] = whole
        return {"type": upload["type"], "media_id": media_id}

    def _count(self, chat: str) -> None:
        now = self._now()
        self._sent[chat] = [at for at in self._sent[chat] if now - at < 60.0] + [now]
        if len(self._sent[chat]) > PER_MINUTE:
            raise Refusal(TOO_OFTEN)

    async def _send(self, connection: Connection, command: str, request: str, body: dict[str, Any]) -> None:
        frame = {"cmd": command, "headers": {"req_id": request}, "body": body}
        await connection.socket.send_str(json.dumps(frame))

    def _now(self) -> float:
        return self._clock().timestamp()

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _text(shown: dict[str, Any]) -> str:
    kind = shown["msgtype"]
    if kind in {"stream", "markdown", "text"}:
        return str(shown[kind]["content"])
    return f"[{kind}]"
