"""What a program is told when its request cannot be used: JSON with a Chinese sentence, never a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.intake import CannotKeep
from bot.json_text import to_json

log = structlog.get_logger()

READ_SECONDS = 3.0
TOO_SLOW = "请求体传得太慢，请重试"
TOO_LARGE = "请求体太大（上限 64 KB）"
NOT_JSON = "请求体不是有效的 JSON 对象"
NOT_FOUND = "没有这个地址"
NOT_ALLOWED = "这个地址不支持 {method}"
CANNOT_KEEP = "暂时收不下，请稍后再送。"
CANNOT_KEEP_SECONDS = 5
BROKEN = "服务内部出错，已记录。请稍后再试。"


class BadRequest(Exception):
    """The caller's request is wrong; the message says how."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: web.Request) -> bytes:
    """Return the raw body; a slow or large one is refused (aiohttp alone would wait for ever)."""
    try:
        if request.content.is_eof():  # it came with the head, as small ones do: there is nothing to wait for
            return await request.read()
        async with asyncio.timeout(READ_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise BadRequest(TOO_SLOW, 408) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise BadRequest(TOO_LARGE, 413) from error


async def read_json(request: web.Request) -> dict[str, Any]:
    """Return the body as a JSON object of text that can be stored: no half of a surrogate pair, no bottomless nest."""
    try:
        body = json.loads(await read_body(request))
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest(NOT_JSON) from error
    if not isinstance(body, dict):
        raise BadRequest(NOT_JSON)
    return body


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Returns an answer for a request that may not pass, None for one that may.
Admit = Callable[[web.Request], web.StreamResponse | None]


def let_pass(_request: web.Request) -> web.StreamResponse | None:
    """Return None: everybody may pass."""
    return None


def front_middleware(admit: Admit = let_pass) -> Middleware:
    """Return the outermost frame of a request: who may pass, and what a route's error is answered with.

    It is one frame and not two, because every callback of a platform goes through it.
    """

    @web.middleware
    async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refused = admit(request)
            return await handler(request) if refused is None else refused
        except BadRequest as error:
            return refusal(str(error), error.status)
        except web.HTTPNotFound:
            return refusal(NOT_FOUND, 404)
        except web.HTTPMethodNotAllowed as error:
            return refusal(NOT_ALLOWED.format(method=request.method), 405, {"Allow": error.headers["Allow"]})
        except web.HTTPException:
            raise
        except CannotKeep:
            return refusal(CANNOT_KEEP, 503, {"Retry-After": str(CANNOT_KEEP_SECONDS)})
        except Exception:
            log.exception("http.failed", path=request.path, method=request.method)
            return refusal(BROKEN, 500)

    return front


def refusal(message: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the sentence as the JSON every route refuses with."""
    return web.json_response({"ok": False, "error": message}, status=status, headers=headers, dumps=to_json)
