"""WeCom's side of an aibot in URL mode: encrypted callbacks to a running server, polls, and the response_url.

    said = await aibot.say("zhangsan", "今天有什么券")   the first frame is there
    await aibot.follow(said)                             polled until it is finished, as WeCom does

Whatever a page forbids is written to `faults`. `fail` holds answers of the response_url in order: a dict is the
answer instead of doing anything (`raw` its text), DROP does what was asked and loses the answer, HANG_UP closes
untouched.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web

from bot.config import AibotSettings
from bot.loopback import loopback_site
from bot.platforms.wecom.crypto import Envelope, Sealed
from tests.fakes.aibot_rules import STREAM_BYTES, card_faults

BOT_ID = "aibMKzGqTzp7qXxTAQnuhXd0ACAAAAAA"
TOKEN = "hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo"
AES_KEY = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt"
SIX_MINUTES = 360.0
ONE_HOUR = 3600.0
EVENT_SECONDS = 5.0
CODE_SPENT = 40029
WRONG_TYPE = 40008
DROP = "drop"
HANG_UP = "hang up"


@dataclass
class Said:
    """A message and what is shown under it."""

    id: str
    user: str
    chat: str
    at: float
    frames: list[dict[str, Any]] = field(default_factory=list)
    card: dict[str, Any] | None = None
    stopped: bool = False  # six minutes went by

    @property
    def stream(self) -> dict[str, Any]:
        return dict(self.frames[-1]["stream"])

    @property
    def text(self) -> str:
        return str(self.stream["content"])

    @property
    def finished(self) -> bool:
        return bool(self.stream["finish"])

    @property
    def pictures(self) -> list[dict[str, Any]]:
        return list(self.stream.get("msg_item") or [])


@dataclass
class Response:
    """What was said by a response_url, and where."""

    chat: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.body["markdown"]["content"])


@dataclass
class _Code:
    chat: str
    group: bool
    at: float
    used: bool = False


class FakeAibot:
    """One bot; `target` is where it calls back, `clock` the time of day."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.base = ""
        self.target = ""
        self.faults: list[str] = []
        self.responses: list[Response] = []
        self.cards: dict[str, dict[str, Any]] = {}
        self.fail: list[dict[str, Any] | str] = []
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._envelope = Envelope(TOKEN, AES_KEY, "")
        self._ids = itertools.count(1)
        self._http: aiohttp.ClientSession | None = None

    def settings(self, **changes: Any) -> AibotSettings:
        """The settings of this bot."""
        values = {"name": "店小二", "token": TOKEN, "aes_key": AES_KEY, "base_url": self.base}
        return AibotSettings.model_validate(values | changes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeAibot]:
        """Serve the response_url while the block runs."""
        app = web.Application()
        app.router.add_post("/cgi-bin/aibot/response", self._response)
        async with loopback_site(app) as self.base, aiohttp.ClientSession() as self._http:
            yield self

    # People.

    async def say(self, user: str, text: str, *, chat: str = "", id: str = "", **more: Any) -> Said:  # noqa: A002
        """Write to the bot, in a group with `chat`, and return what is shown at once."""
        content = f"@店小二 {text}" if chat else text
        return await self.send(user, {"msgtype": "text", "text": {"content": content}, **more}, chat=chat, id=id)

    async def send(self, user: str, message: dict[str, Any], *, chat: str = "", id: str = "") -> Said:  # noqa: A002
        """Send any message."""
        said = Said(id or self._new_id(), user, chat, self._now())
        body = {**self._head(said.id, user, chat), "response_url": self._new_url(user, chat), **message}
        self._take(said, await self._call(body), first=True)
        return said

    async def poll(self, said: Said) -> Said:
        """Ask for more once."""
        ask = {"msgtype": "stream", "stream": {"id": said.frames[0]["stream"]["id"]}}
        frame = await self._call({**self._head(self._new_id(), said.user, said.chat), **ask})
        self._take(said, frame, first=False)
        return said

    async def follow(self, said: Said, seconds: float = 10.0, every: float = 0.2) -> Said:
        """Ask for more until it is finished, or six minutes after the message."""
        async with asyncio.timeout(seconds):
            while not said.finished:
                if self._now() - said.at >= SIX_MINUTES:
                    said.stopped = True
                    return said
                await self.poll(said)
                await asyncio.sleep(0 if said.finished else every)
        return said

    async def press(
        self, user: str, card: dict[str, Any], button: str, *, chat: str = "", **event: Any
    ) -> dict[str, Any] | None:
        """Press a button; return the card as it is shown then, None when it stays as it was."""
        pressed = {"card_type": card["card_type"], "event_key": button, "task_id": card["task_id"], **event}
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                answer = await self._event(user, "template_card_event", pressed, chat)
        except TimeoutError:
            self.faults.append("a press was not answered within five seconds")
            return None
        if not answer:
            return None
        return self._updated(card, answer)

    async def press_and_hang_up(self, user: str, card: dict[str, Any], button: str, seconds: float) -> None:
        """Press a button and close the connection before the answer."""
        pressed = {"card_type": card["card_type"], "event_key": button, "task_id": card["task_id"]}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event(user, "template_card_event", pressed)

    async def enter(self, user: str) -> str:
        """Open the chat for the first time today and return the greeting."""
        answer = await self._event(user, "enter_chat", {})
        return str(answer["text"]["content"]) if answer else ""

    async def thumb(self, user: str, about: str, kind: int, **more: Any) -> None:
        """Give feedback on an answer."""
        if await self._event(user, "feedback_event", {"id": about, "type": kind, **more}):
            self.faults.append("feedback was answered")

    # The wire.

    async def post(self, body: dict[str, Any], **query: str) -> tuple[int, str, str]:
        """Post a callback and return status, body and content type; `query` replaces parts of the signed query."""
        sealed = self._envelope.seal(json.dumps(body).encode(), str(int(self._now())), secrets.token_hex(5))
        asked = {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": sealed.nonce, **query}
        status, text, kind = await self.raw(asked, json.dumps({"encrypt": sealed.encrypt}).encode())
        return status, self._opened(text, sealed.nonce) if status == 200 and text else text, kind

    async def raw(self, query: dict[str, str], body: bytes) -> tuple[int, str, str]:
        """Post bytes as they are."""
        assert self._http is not None
        async with self._http.post(self.target, params=query, data=body) as answer:
            return answer.status, await answer.text(), answer.content_type

    async def check_url(self) -> tuple[str, str]:
        """Do what the admin page does to save the address; return what was sent and what came back."""
        digits = str(secrets.randbits(62))
        sealed = self._envelope.seal(digits.encode(), str(int(self._now())), "n1")
        query = {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": "n1"}
        return digits, (await self.get({**query, "echostr": sealed.encrypt}))[1]

    async def get(self, query: dict[str, str]) -> tuple[int, str]:
        """Ask for the address with this query."""
        assert self._http is not None
        async with self._http.get(self.target, params=query) as answer:
            return answer.status, await answer.text()

    async def _call(self, body: dict[str, Any]) -> dict[str, Any]:
        status, text, _ = await self.post(body)
        if status != 200:
            self.faults.append(f"HTTP {status}")
        return dict(json.loads(text)) if text else {}

    async def _event(self, user: str, name: str, event: dict[str, Any], chat: str = "") -> dict[str, Any]:
        head = self._head(self._new_id(), user, chat)
        url = {} if name == "enter_chat" else {"response_url": self._new_url(user, chat)}
        return await self._call({**head, **url, "msgtype": "event", "event": {"eventtype": name, name: event}})

    def _opened(self, text: str, nonce: str) -> str:
        answer = json.loads(text)
        if answer["nonce"] != nonce or not isinstance(answer["timestamp"], int):
            self.faults.append("nonce or timestamp of an answer")
        sealed = Sealed(answer["encrypt"], answer["msgsignature"], str(answer["timestamp"]), answer["nonce"])
        return self._envelope.open(sealed).decode()

    def _head(self, message_id: str, user: str, chat: str) -> dict[str, Any]:
        where = {"chattype": "group", "chatid": chat} if chat else {"chattype": "single"}
        return {"msgid": message_id, "aibotid": BOT_ID, **where, "from": {"userid": user}}

    def _new_id(self) -> str:
        return f"msg-{next(self._ids)}"

    def _now(self) -> float:
        return self._clock().timestamp()

    def _new_url(self, user: str, chat: str) -> str:
        code = secrets.token_urlsafe(16)
        self._codes[code] = _Code(chat or user, bool(chat), self._now())
        return f"{self.base}/cgi-bin/aibot/response?response_code={code}"

    # What WeCom takes.

    def _take(self, said: Said, frame: dict[str, Any], *, first: bool) -> None:
        self.faults += _frame_faults(frame, first=first)
        if said.frames and frame["stream"]["id"] != said.frames[0]["stream"]["id"]:
            self.faults.append("another stream id")
        said.frames.append(frame)
        card = frame.get("template_card")
        if card is None:
            return
        if said.card is not None:
            self.faults.append("a second card for one message")
        if card.get("task_id") in self.cards:
            self.faults.append("a task id used before")
        self.faults += card_faults(card)
        said.card = self.cards[str(card.get("task_id"))] = card

    def _updated(self, card: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        shown = dict(answer["template_card"])
        if answer.get("response_type") != "update_template_card" or answer.get("userids") != []:
            self.faults.append("an update of another form")
        if shown.get("task_id") != card["task_id"]:
            self.faults.append("an update of another card")
        self.faults += card_faults(shown)
        self.cards[card["task_id"]] = shown
        return shown

    async def _response(self, request: web.Request) -> web.StreamResponse:
        plan = self.fail.pop(0) if self.fail else None
        if isinstance(plan, dict):
            return web.Response(text=plan["raw"]) if "raw" in plan else web.json_response(plan)
        if plan != HANG_UP:
            answer = web.json_response(self._responded(request.query.get("response_code", ""), await request.json()))
        if plan is not None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    def _responded(self, code: str, body: dict[str, Any]) -> dict[str, Any]:
        known = self._codes.get(code)
        if known is None or known.used or self._now() - known.at >= ONE_HOUR:
            return {"errcode": CODE_SPENT, "errmsg": "invalid response_code"}
        kind = body.get("msgtype")
        if kind not in {"markdown", "template_card"} or (kind == "template_card" and known.group):
            return {"errcode": WRONG_TYPE, "errmsg": "invalid message type"}
        if kind == "template_card":
            self.faults += card_faults(body["template_card"])
        elif not 0 < len(body["markdown"]["content"].encode()) <= STREAM_BYTES:
            self.faults.append("a response of the wrong length")
        known.used = True
        self.responses.append(Response(known.chat, body))
        return {"errcode": 0, "errmsg": "ok"}


def _frame_faults(frame: dict[str, Any], *, first: bool) -> list[str]:
    faults = []
    stream = frame.get("stream") or {}
    if frame.get("msgtype") not in {"stream", "stream_with_template_card"} or not stream.get("id"):
        return [f"no frame of a stream: {sorted(frame)}"]
    if ("template_card" in frame) != (frame["msgtype"] == "stream_with_template_card"):
        faults.append("type and card do not agree")
    if len(stream["content"].encode()) > STREAM_BYTES or "\ufffd" in stream["content"]:
        faults.append("the content of a frame")
    if "feedback" in stream and not (first and len(stream["feedback"]["id"].encode()) <= 256):
        faults.append("feedback after the first frame")
    items = stream.get("msg_item") or []
    if items and (not stream["finish"] or len(items) > 10):
        faults.append("pictures before the end, or too many")
    for item in items:
        raw = base64.b64decode(item["image"]["base64"])
        if hashlib.md5(raw).hexdigest() != item["image"]["md5"] or len(raw) > 10 * 2**20:
            faults.append("a picture")
    return faults
