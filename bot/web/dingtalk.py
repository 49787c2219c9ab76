"""DingTalk's calls to our address (`stream = false`): verify, decode, commit, acknowledge.

DingTalk waits two seconds for the answer to a press, and is assumed not to wait longer for that to a message. The
body is not read before the signature in the headers holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from bot.platforms.base import Platform
from bot.platforms.dingtalk.arrivals import PRESS_TAKEN, Arrivals, Receive
from bot.platforms.dingtalk.decode import PLATFORM
from bot.platforms.dingtalk.platform import DingtalkPlatform
from bot.platforms.dingtalk.verify import DingtalkRejected
from bot.web.errors import NOT_JSON, BadRequest, read_body
from bot.web.gate import Gate

# Says nothing in the conversation; the answer comes by the session webhook.
NOTHING_TO_SAY = {"msgtype": "empty"}


def dingtalk_routes(platforms: Iterable[Platform], receive: Receive, gate: Gate) -> list[web.RouteDef]:
    """Return the routes of `/dingtalk/{tenant}/robot` and `…/card`, for the apps that are called at our address."""
    apps = {
        platform.tenant: (platform, platform.arrivals(receive))
        for platform in platforms
        if isinstance(platform, DingtalkPlatform) and platform.called_by_http
    }

    async def opened(
        request: web.Request, verify: Callable[[DingtalkPlatform, float], str | None]
    ) -> tuple[Arrivals, Any, str]:
        """Return the tenant's arrivals, the JSON of a request that is DingTalk's, and what identifies it."""
        found = apps.get(request.match_info["tenant"])
        if found is None:
            raise web.HTTPNotFound
        try:
            signed = verify(found[0], gate.clock().timestamp()) or ""
        except DingtalkRejected as error:
            gate.rejected(request, PLATFORM, error.reason)
            raise web.HTTPForbidden from error
        body = await read_body(request)
        return found[1], _json(body), hashlib.sha256(signed.encode() + b"\n" + body).hexdigest()

    async def message(request: web.Request) -> web.Response:
        """Commit a robot message."""
        arrivals, data, _ = await opened(request, lambda app, now: app.verify_message(request.headers, now))
        await arrivals.message(data)
        return web.json_response(NOTHING_TO_SAY)

    async def press(request: web.Request) -> web.Response:
        """Commit the press of a card's button.

        It comes without an id of its own: the body and the moment DingTalk signed it tell a delivery from another.
        """
        arrivals, data, delivery = await opened(request, lambda app, now: app.verify_press(request.headers, now))
        await arrivals.press(data, delivery)
        return web.json_response(PRESS_TAKEN)

    return [web.post("/dingtalk/{tenant}/robot", message), web.post("/dingtalk/{tenant}/card", press)]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(NOT_JSON) from error
