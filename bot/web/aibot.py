"""The aibot's callback: verify, decode, commit, answer. Nothing is parsed before the signature holds.

A press is answered with what came of it, which is why its answer waits for a moment; everything else is answered at
once (WeCom docs 101027, 101031, 101033).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from bot.platforms.aibot.decode import PLATFORM
from bot.platforms.aibot.inbound import Undecodable
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.aibot.presses import Answer
from bot.platforms.wecom.crypto import WecomRejected
from bot.web.errors import read_body
from bot.web.gate import Gate
from handlers.messages import Update

log = structlog.get_logger()

# The page says nothing of the type of an encrypted answer; plain text is what has been seen to work.
TEXT = "text/plain"


def aibot_routes(
    platforms: Mapping[str, AibotUrlPlatform],
    receive: Callable[[Update], Awaitable[bool]],
    gate: Gate,
) -> list[web.RouteDef]:
    """Return the routes of `/wecom/{tenant}/aibot`."""

    def platform_of(request: web.Request) -> AibotUrlPlatform:
        found = platforms.get(request.match_info["tenant"])
        if found is None:
            raise web.HTTPNotFound
        return found

    def rejected(request: web.Request, reason: str, status: int) -> web.Response:
        gate.rejected(request, PLATFORM, reason)
        return web.Response(status=status)

    async def verify_url(request: web.Request) -> web.Response:
        """Answer the GET check with exactly the decrypted digits (doc 90930)."""
        try:
            digits = platform_of(request).verify_url(request.query, gate.clock().timestamp())
        except WecomRejected as error:
            return rejected(request, error.reason, error.status)
        gate.checked(request, PLATFORM)
        return web.Response(text=digits)

    async def message(request: web.Request) -> web.StreamResponse:
        """Commit one message or event and answer it; answer one poll."""
        platform = platform_of(request)
        body = await read_body(request)
        now = gate.clock()
        try:
            opened = platform.open_callback(request.query, body, now.timestamp())
            inbound = platform.decode(opened.message, request.match_info["tenant"], now)
        except WecomRejected as error:
            return rejected(request, error.reason, error.status)
        except Undecodable as error:
            return rejected(request, f"undecodable: {error}", 400)
        answer = await platform.answer(inbound, receive)
        response = web.Response(text=platform.seal(answer, opened), content_type=TEXT)
        if answer.instead is None:
            return response
        return await _written(request, response, platform, answer)

    return [web.get("/wecom/{tenant}/aibot", verify_url), web.post("/wecom/{tenant}/aibot", message)]


async def _written(
    request: web.Request, response: web.Response, platform: AibotUrlPlatform, answer: Answer
) -> web.StreamResponse:
    """Write the answer here, so that a card update whose answer could not be written is not taken for sent."""
    sent = False
    try:
        await response.prepare(request)
        await response.write_eof()
        sent = True
    except (ConnectionError, OSError) as error:
        log.info("aibot.answer_not_written", error=type(error).__name__)
    finally:
        await platform.settle(answer, sent=sent)
    return response
