"""Keeps other websites out of the sandbox: it acts as real people of the demo and asks for no password.

A page elsewhere can make a visitor's browser send requests to loopback. It cannot make the Host header name
loopback when its own name was pointed there (DNS rebinding), nor forge Origin on a POST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from bot.web.errors import BadRequest
from bot.web.keys import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOT_LOOPBACK = "演示页面只能在这台电脑上打开，请用 http://127.0.0.1 或 http://localhost 访问"
OTHER_SITE = "演示页面只接受它自己发出的操作"
SAME_SITE = frozenset({"same-origin", "none"})

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded(handler: Handler) -> Handler:
    """Return the handler behind the check, refusing with a Chinese sentence."""

    async def check(request: web.Request) -> web.StreamResponse:
        if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise BadRequest(NOT_LOOPBACK, 403)
        if request.method != "GET" and not _from_our_page(request):
            raise BadRequest(OTHER_SITE, 403)
        return await handler(request)

    return check


def _from_our_page(request: web.Request) -> bool:
    """Whether our own page sent this, or a program that is no browser.

    Browsers name the origin of every POST; what names none and no site either was not sent by a web page.
    """
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin == f"{request.scheme}://{request.host}"
    return request.headers.get("Sec-Fetch-Site", "none") in SAME_SITE
