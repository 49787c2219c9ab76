"""The page at /sandbox and what it asks for. It exists in the demo only, and only for this machine's browser."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.json_text import to_json
from bot.sandbox.changes import Phone, Watcher
from bot.sandbox.guard import HEADERS, guarded
from bot.sandbox.personas import PLATFORMS, load_cast, works_here
from bot.sandbox.phones import Shown
from bot.sandbox.stage import DemoStage, NoSuchButton, NotDelivered
from bot.sandbox.trace import Tracer
from bot.sandbox.wecom_files import wecom_file_routes
from bot.web.errors import BadRequest, read_json
from db.engine import Database
from db.models import Tenant

Push = Callable[[str, str], Awaitable[str]]

STATIC = Path(__file__).parent / "static"
PAGE = "sandbox.html"
CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PUSHES = frozenset({"morning", "evening"})
TEXT_CHARS = 1000
ID_CHARS = 128
BEAT_SECONDS = 10.0

NOT_JSON = "请求要用 JSON（Content-Type: application/json）"
NO_PHONE = "没有这部手机"
NO_TEXT = "请先打字，最多 1000 个字"
NO_BUTTON = "缺少要按的按钮"
NO_SUCH_BUTTON = "这个按钮已经不能按了，请看卡片上的最新内容"
NOT_DELIVERED = "消息没有送到，请过几秒再试一次"
NO_SUCH_PUSH = "推送只有 morning（早上）和 evening（傍晚）"
BAD_SEQ = "seq 要是数字"


def sandbox_routes(stage: DemoStage, database: Database, tenant_id: int, push: Push) -> list[web.RouteDef]:
    """Return the routes; `push` sends a person's morning or evening push now and says how it went."""
    page = SandboxPage(stage, database, tenant_id, push)
    return [
        web.get("/sandbox", guarded(page.html)),
        web.get("/sandbox/static/{name}", guarded(page.static)),
        web.get("/sandbox/api/personas", guarded(page.personas)),
        web.get("/sandbox/api/screen", guarded(page.screen)),
        web.get("/sandbox/api/trace", guarded(page.trace)),
        web.get("/sandbox/api/events", guarded(page.events)),
        web.post("/sandbox/api/say", guarded(page.say)),
        web.post("/sandbox/api/press", guarded(page.press)),
        web.post("/sandbox/api/push", guarded(page.push_now)),
        *wecom_file_routes(stage.phones),
    ]


@dataclass(frozen=True, slots=True)
class SandboxPage:
    """The handlers of the page."""

    stage: DemoStage
    database: Database
    tenant_id: int
    push: Push

    async def html(self, _request: web.Request) -> web.Response:
        """Return the page."""
        return _file(PAGE)

    async def static(self, request: web.Request) -> web.Response:
        """Return a style sheet, script or picture."""
        name = request.match_info["name"]
        if name not in {path.name for path in STATIC.iterdir() if path.suffix in CONTENT_TYPES}:
            raise web.HTTPNotFound
        return _file(name)

    async def personas(self, _request: web.Request) -> web.Response:
        """Return who one can be, and the day the data stand at."""
        cast = await load_cast(self.database, self.tenant_id, datetime.now(UTC).date())
        as_of = cast.as_of.isoformat() if cast.as_of else None
        people = [persona.as_json() for persona in cast.personas]
        return _json({"chain": cast.chain, "as_of": as_of, "personas": people})

    async def screen(self, request: web.Request) -> web.Response:
        """Return what a phone shows, oldest first."""
        platform, user_id = await self._phone(request.query)
        shown = self.stage.phones.screen(platform, user_id)
        return _json({"platform": platform, "user": user_id, "messages": [_bubble(one) for one in shown]})

    async def trace(self, request: web.Request) -> web.Response:
        """Return what travelled for the newest exchange, or for the one that made bubble `seq`."""
        platform, user_id = await self._phone(request.query)
        seq = request.query.get("seq", "")
        if seq and not seq.isdecimal():
            raise BadRequest(BAD_SEQ)
        tracer = Tracer(self.database, self.tenant_id, self.stage.phones, self.stage.journeys)
        return _json({"trace": await tracer.trace(platform, user_id, int(seq) if seq else None)})

    async def say(self, request: web.Request) -> web.Response:
        """Type a text on a phone."""
        body = await _body(request)
        platform, user_id = await self._phone(body)
        text = body.get("text")
        if not isinstance(text, str) or not 0 < len(text.strip()) <= TEXT_CHARS:
            raise BadRequest(NO_TEXT)
        try:
            await self.stage.say(platform, user_id, text.strip(), await self._callback_url(request))
        except NotDelivered as error:
            raise BadRequest(NOT_DELIVERED, 502) from error
        return _json({"ok": True})

    async def press(self, request: web.Request) -> web.Response:
        """Press a button on a phone."""
        body = await _body(request)
        platform, user_id = await self._phone(body)
        message_id, button = _short(body.get("message_id")), _short(body.get("button"))
        chosen, url = _chosen(body.get("chosen")), await self._callback_url(request)
        try:
            await self.stage.press(platform, user_id, message_id, button, url, chosen)
        except NoSuchButton as error:
            raise BadRequest(NO_SUCH_BUTTON, 409) from error
        except NotDelivered as error:
            raise BadRequest(NOT_DELIVERED, 502) from error
        return _json({"ok": True})

    async def push_now(self, request: web.Request) -> web.Response:
        """Send the morning or evening push of a person now."""
        body = await _body(request)
        kind = body.get("kind")
        if not isinstance(kind, str) or kind not in PUSHES:
            raise BadRequest(NO_SUCH_PUSH)
        _, user_id = await self._phone({"platform": PLATFORMS[0], "user": body.get("user")})
        return _json({"ok": True, "message": await self.push(kind, user_id)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream which phone changed (server-sent events), with a heartbeat, until either side leaves."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        # A reset connection is a page that was closed.
        with self.stage.changes.watch() as watcher, suppress(ConnectionResetError):
            await _stream(response, watcher)
        return response

    async def _phone(self, asked: Any) -> Phone:
        """Return platform and user of a phone; everybody who works here has one."""
        platform, user_id = asked.get("platform"), asked.get("user")
        if not isinstance(platform, str) or not isinstance(user_id, str):
            raise BadRequest(NO_PHONE, 404)
        if not await works_here(self.database, self.tenant_id, platform, user_id):
            raise BadRequest(NO_PHONE, 404)
        return platform, user_id

    async def _callback_url(self, request: web.Request) -> str:
        """Return the bot's WeCom address on the socket this request came by."""
        host, port = request.transport.get_extra_info("sockname")[:2] if request.transport else ("127.0.0.1", 80)
        async with self.database.read() as session:
            key = (await session.get_one(Tenant, self.tenant_id)).key
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/wecom/{key}/app"


async def _stream(response: web.StreamResponse, watcher: Watcher) -> None:
    await response.write(b"retry: 2000\nevent: beat\ndata: {}\n\n")
    while not watcher.closed:
        changed = await watcher.wait(BEAT_SECONDS)
        for platform, user_id in changed:
            data = json.dumps({"platform": platform, "user": user_id})
            await response.write(f"event: changed\ndata: {data}\n\n".encode())
        if not changed:
            await response.write(b"event: beat\ndata: {}\n\n")


async def _body(request: web.Request) -> dict[str, Any]:
    """Return the JSON body; the content type is what makes a browser ask before another site may send one."""
    if request.content_type != "application/json":
        raise BadRequest(NOT_JSON, 415)
    return await read_json(request)


def _short(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARS:
        raise BadRequest(NO_BUTTON)
    return value


def _chosen(value: Any) -> dict[str, list[str]]:
    """Return the options picked on a card, by question."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(options, list) for options in value.values()):
        raise BadRequest(NO_BUTTON)
    return {_short(question): [_short(option) for option in options] for question, options in value.items()}


def _file(name: str) -> web.Response:
    path = STATIC / name
    return web.Response(
        body=path.read_bytes(), content_type=CONTENT_TYPES[path.suffix], charset="utf-8", headers=HEADERS
    )


def _json(value: dict[str, Any]) -> web.Response:
    return web.json_response(value, dumps=to_json, headers=HEADERS)


def _bubble(shown: Shown) -> dict[str, Any]:
    return {
        "seq": shown.seq,
        "id": shown.message_id,
        "direction": shown.direction,
        "payload": shown.payload,
        "shown_at": shown.shown_at,
        "updated_at": shown.updated_at,
    }
