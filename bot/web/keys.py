"""Who may use the HTTP API: a bearer key stands for one person; the demo on loopback needs none."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from aiohttp import web

from bot.config import ApiKey, ServerSettings
from bot.web.errors import Admit, refusal
from bot.web.origin import from_our_page, is_loopback, names_loopback

GUARDED = ("/api/", "/ai/", "/recommend")
OPEN = frozenset({"/api/health"})
NO_KEY = "需要接口密钥：请在请求头写 Authorization: Bearer <密钥>。密钥在配置文件 [[server.api_keys]] 里设置。"
OTHER_SITE = "演示时接口只给这台电脑上的程序用，别的网页不行；要从别处用，请设接口密钥"
BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """The person a request acts as; the demo may choose one per request."""

    tenant: str
    staff_id: int | None
    may_choose: bool = False


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


def key_check(server: ServerSettings, *, demo_tenant: str | None) -> Admit:
    """Return a check that puts a `Caller` on guarded requests, or answers 401."""
    open_demo = demo_tenant is not None and is_loopback(server.host)

    def check(request: web.Request) -> web.Response | None:
        path = request.path
        if not path.startswith(GUARDED) or path in OPEN:
            return None
        caller = _from_key(request, server.api_keys)
        if caller is None and open_demo and demo_tenant is not None:
            if not (names_loopback(request) and from_our_page(request)):
                return refusal(OTHER_SITE, 403)
            caller = Caller(demo_tenant, None, may_choose=True)
        if caller is None:
            return refusal(NO_KEY, 401)
        request[CALLER] = caller
        return None

    return check


def _from_key(request: web.Request, keys: tuple[ApiKey, ...]) -> Caller | None:
    header = request.headers.get("Authorization", "")
    given = header.removeprefix(BEARER).encode()
    if not header.startswith(BEARER):
        return None
    for known in keys:
        if hmac.compare_digest(given, known.key.get_secret_value().encode()):
            return Caller(known.tenant, known.staff_id)
    return None
