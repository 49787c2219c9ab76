"""Access tokens of the pretend WeCom: two hours, for the right account, from a trusted address (doc 91039)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from aiohttp import web

from bot.config import WecomSettings
from bot.sandbox.wecom_api import Answer, Api, ApiError

TOKEN_SECONDS = 7200


class Tokens:
    """The tokens handed out so far; `trusted_ips` of None trusts every address (企业可信IP)."""

    def __init__(self, app: WecomSettings, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock
        self._until: dict[str, float] = {}
        self.trusted_ips: set[str] | None = None

    async def grant(self, request: web.Request) -> Answer:
        """Answer gettoken."""
        if request.query.get("corpid") != self._app.corp_id:
            raise ApiError(40013, "invalid corpid")
        secret = request.query.get("corpsecret", "")
        if not hmac.compare_digest(secret.encode(), self._app.secret.get_secret_value().encode()):
            raise ApiError(40001, "invalid credential")
        token = secrets.token_urlsafe(48)
        self._until[token] = self._clock() + TOKEN_SECONDS
        return {"access_token": token, "expires_in": TOKEN_SECONDS}

    def guarding(self, call: Api) -> Api:
        """Return the call behind the check of its token."""

        async def checked(request: web.Request) -> Answer:
            self._check(request)
            return await call(request)

        return checked

    def revoke(self) -> None:
        """Make every token handed out so far invalid, as WeCom may at any time."""
        self._until.clear()

    def _check(self, request: web.Request) -> None:
        token = request.query.get("access_token", "")
        if not token:
            raise ApiError(41001, "access_token missing")
        if token not in self._until:
            raise ApiError(40014, "invalid access_token")
        if self._until[token] < self._clock():
            raise ApiError(42001, "access_token expired")
        if self.trusted_ips is not None and request.remote not in self.trusted_ips:
            raise ApiError(60020, "not allow to access from your ip")
