"""How the pretend WeCom answers: always HTTP 200, with an errcode for every fault (WeCom doc 90313)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Answer = dict[str, Any]
Api = Callable[[web.Request], Awaitable[Answer]]

BAD_PARAMETER = 40058
TOO_LONG = 45002
TOO_OFTEN = 45009


class ApiError(Exception):
    """An errcode other than 0."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def answering(call: Api) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the call as a handler of HTTP requests."""

    async def handle(request: web.Request) -> web.Response:
        try:
            answer = {"errcode": 0, "errmsg": "ok", **await call(request)}
        except ApiError as error:
            hint = secrets.randbelow(10**18)
            answer = {"errcode": error.code, "errmsg": f"{error.message}, hint: [{hint}], from ip: {request.remote}"}
        return web.json_response(answer)

    return handle


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the body, which must be a JSON object in real UTF-8."""
    raw = await request.read()
    if b"\\u" in raw:
        raise ApiError(40033, "invalid charset: real UTF-8 is wanted")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(47001, "data format error") from error
    if not isinstance(body, dict):
        raise ApiError(47001, "data format error")
    return body


def at_most(name: str, text: str, limit: int) -> None:
    """Refuse a text of more bytes than this, which real WeCom would cut without a word."""
    if len(text.encode()) > limit:
        raise ApiError(TOO_LONG, f"{name} size out of limit")
