"""WeCom's server API over httpx: every answer is HTTP 200, and errcode decides.

The token and the secret travel in the query, so nothing here logs an address, and the logger `httpx` has to
stay above INFO.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import structlog

from bot.platforms.access_token import AccessToken, Grant, TokenStore
from bot.platforms.base import Refused, SendError, TryLater
from bot.platforms.wecom.answers import ACCOUNT_WRONG, OK, Answer, TokenRefused, error_of

log = structlog.get_logger()

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
AGAIN_SOON = 5.0
AGAIN_AFTER_BAD_ANSWER = 15.0

NOT_REACHED = "连不上企业微信"
NO_ANSWER = "企业微信没有应答"
BAD_ANSWER = "企业微信的应答看不懂"
NOTHING_GRANTED = "企业微信没有给访问令牌"

# The request has not left this machine.
BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def new_http(base_url: str) -> httpx.AsyncClient:
    """Return a client with our limits; a proxy of the environment serves the internet, not this machine."""
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=httpx.URL(base_url).host not in LOOPBACK)


class WecomApi:
    """The calls of one app. It never repeats a send by itself, save once with a new token."""

    def __init__(
        self,
        base_url: str,
        corp_id: str,
        secret: str,
        http: httpx.AsyncClient,
        clock: Callable[[], float] = time.time,
        store: TokenStore | None = None,
    ) -> None:
        self._base = f"{base_url.rstrip('/')}/cgi-bin"
        self._account = {"corpid": corp_id, "corpsecret": secret}
        self._http = http
        self._token = AccessToken(self._grant, clock, store)

    async def check(self) -> None:
        """Get a token, the call that needs nothing but a right account."""
        await self._token.get()

    async def send(self, body: Mapping[str, Any]) -> Answer:
        """Send a message (WeCom doc 90236)."""
        return await self._post("/message/send", body)

    async def update_template_card(self, body: Mapping[str, Any]) -> Answer:
        """Change a card that was sent (WeCom doc 94888)."""
        return await self._post("/message/update_template_card", body)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        token = await self._token.get()
        try:
            return await self._post_with(token, path, body)
        except TokenRefused:
            log.info("wecom.token_refused", path=path)
        try:
            return await self._post_with(await self._token.replace(token), path, body)
        except TokenRefused as error:
            self._token.distrust(error)
            raise

    async def _post_with(self, token: str, path: str, body: Mapping[str, Any]) -> Answer:
        # httpx 0.28 writes `json` as UTF-8 without \u escapes, which WeCom refuses (40033).
        return await self._call("POST", path, {"access_token": token}, dict(body))

    async def _grant(self) -> Grant:
        answer = await self._call("GET", "/gettoken", self._account)
        token, lifetime = answer.body.get("access_token"), answer.body.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lifetime, int):
            raise TryLater(NOTHING_GRANTED, AGAIN_AFTER_BAD_ANSWER)
        return Grant(token, float(lifetime))

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any] | None = None
    ) -> Answer:
        answer = _read(await self._request(method, path, query, body), path)
        if answer.code == OK:
            if answer.partly_ignored:
                log.error("wecom.body_partly_ignored", path=path, hint=answer.hint)
            return answer
        error = error_of(answer.code)
        _log_error(error, path, answer)
        raise error

    async def _request(
        self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any] | None
    ) -> httpx.Response:
        try:
            return await self._http.request(method, self._base + path, params=dict(query), json=body)
        except BEFORE_SENDING as error:
            log.warning("wecom.not_reached", path=path, error=type(error).__name__)
            raise TryLater(NOT_REACHED, AGAIN_SOON) from error
        except httpx.RequestError as error:
            # It may have arrived. A message is sent with WeCom's duplicate check, a card has its own id, and a
            # card update writes the same content again: repeating all three is safe.
            log.warning("wecom.no_answer", path=path, error=type(error).__name__)
            raise TryLater(NO_ANSWER, AGAIN_SOON) from error


def _read(response: httpx.Response, path: str) -> Answer:
    try:
        body = response.json()
    except ValueError:
        body = None
    # A gateway in between may answer JSON of its own: only a body with an errcode is WeCom's.
    if isinstance(body, dict) and isinstance(body.get("errcode"), int):
        return Answer(body)
    log.warning("wecom.bad_answer", path=path, status=response.status_code)
    raise TryLater(f"{BAD_ANSWER}（HTTP {response.status_code}）", AGAIN_AFTER_BAD_ANSWER)


def _log_error(error: SendError, path: str, answer: Answer) -> None:
    if answer.code in ACCOUNT_WRONG:
        log.error("wecom.account_wrong", path=path, errcode=answer.code, hint=answer.hint)
    elif isinstance(error, Refused):
        log.warning("wecom.refused", path=path, errcode=answer.code, hint=answer.hint)
    else:
        log.info("wecom.try_later", path=path, errcode=answer.code, hint=answer.hint)
