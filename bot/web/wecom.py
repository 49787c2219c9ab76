"""WeCom's callback: verify, decode, commit, acknowledge. Nothing is parsed before the signature holds.

WeCom waits 5 s and drops the connection then (doc 90238); an empty body with 200 means accepted.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from bot.platforms.wecom.crypto import WecomRejected
from bot.platforms.wecom.decode import PLATFORM
from bot.platforms.wecom.platform import WecomPlatform
from bot.receive import Receiver
from bot.web.errors import read_body
from bot.web.gate import Gate


def wecom_routes(platforms: Mapping[str, WecomPlatform], receive: Receiver, gate: Gate) -> list[web.RouteDef]:
    """Return the routes of `/wecom/{tenant}/app`."""

    def platform_of(request: web.Request) -> WecomPlatform:
        found = platforms.get(request.match_info["tenant"])
        if found is None:
            raise web.HTTPNotFound
        return found

    def rejected(request: web.Request, error: WecomRejected) -> web.Response:
        gate.rejected(request, PLATFORM, error.reason)
        return web.Response(status=error.status)

    async def verify_url(request: web.Request) -> web.Response:
        """Answer the GET check with exactly the decrypted digits (doc 90930)."""
        try:
            digits = platform_of(request).verify_url(request.query, gate.clock().timestamp())
        except WecomRejected as error:
            return rejected(request, error)
        gate.checked(request, PLATFORM)
        return web.Response(text=digits)

    async def message(request: web.Request) -> web.Response:
        """Commit one message or event, then acknowledge."""
        platform = platform_of(request)
        body = await read_body(request)
        now = gate.clock()
        try:
            update = platform.read_callback(request.query, body, request.match_info["tenant"], now)
        except WecomRejected as error:
            return rejected(request, error)
        if update is not None:
            await receive(update)
        return web.Response()

    return [web.get("/wecom/{tenant}/app", verify_url), web.post("/wecom/{tenant}/app", message)]
