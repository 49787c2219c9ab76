"""The pictures and files on the pretend WeCom's phones, for the page that shows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.sandbox.guard import HEADERS, guarded
from bot.sandbox.phones import Phones

CONTENT_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def wecom_file_routes(phones: Phones) -> list[web.RouteDef]:
    """Return the route of what was uploaded, by media id."""
    return [web.get("/sandbox/wecom/files/{id}", guarded(_serving(phones)))]


def _serving(phones: Phones) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.Response:
        """Return a picture to be looked at, anything else to be saved: it never runs on this page."""
        kept = phones.kept(request.match_info["id"])
        if kept is None:
            raise web.HTTPNotFound
        kind = next((name for head, name in CONTENT_TYPES.items() if kept.data.startswith(head)), "")
        shown = {} if kind else {"Content-Disposition": f'attachment; filename="{kept.name}"'}
        return web.Response(
            body=kept.data, content_type=kind or "application/octet-stream", headers={**HEADERS, **shown}
        )

    return serve
