"""Keeps other websites out of the sandbox: it acts as real people of the demo and asks for no password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.web.errors import BadRequest
from bot.web.origin import from_our_page, names_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOT_LOOPBACK = "演示页面只能在这台电脑上打开，请用 http://127.0.0.1 或 http://localhost 访问"
OTHER_SITE = "演示页面只接受它自己发出的操作"

HEADERS = {
    # Pictures on a phone may travel in their own address.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded(handler: Handler) -> Handler:
    """Return the handler behind the check, refusing with a Chinese sentence."""

    async def check(request: web.Request) -> web.StreamResponse:
        if not names_loopback(request):
            raise BadRequest(NOT_LOOPBACK, 403)
        if request.method != "GET" and not from_our_page(request):
            raise BadRequest(OTHER_SITE, 403)
        return await handler(request)

    return check
