"""One app's HTTP calls: the token, what an answer means, what DingTalk meters. What is called stands elsewhere.

Both APIs take the token of the new one: the SDK itself calls `media/upload` with it. Should DingTalk ever want two,
`_oapi_token` is the one place to change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from bot.config import DingtalkSettings
from bot.platforms.access_token import AccessToken, Grant, TokenStore
from bot.platforms.base import RateLimited, TryLater
from bot.platforms.dingtalk.errors import (
    UNREACHABLE,
    Answer,
    TokenExpired,
    needs_operator,
    no_answer,
    read_answer,
    refusal,
)

log = structlog.get_logger()

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
# The request never left: the same one may be sent again.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
TOKEN_PATH = "/v1.0/oauth2/accessToken"  # noqa: S105 (a path)

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `repeatable` when doing it twice is the same as once; `metered` when it counts against the quota.

    `what` stands for it in the log, where an address would show a credential. `files` are sent as a form.
    """

    method: str
    url: str
    what: str
    body: Body
    repeatable: bool
    metered: bool = True
    files: Mapping[str, Any] | None = None


class DingtalkCalls:
    """Raises `Refused`, `TryLater` or `Unknown` with a reason in Chinese; `count` is told of every metered call."""

    def __init__(
        self,
        settings: DingtalkSettings,
        http: httpx.AsyncClient,
        clock: Callable[[], float],
        store: TokenStore | None = None,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._http = http
        self._count = count
        self._token = AccessToken(self._fetch_token, clock, store)
        self._base = settings.base_url.rstrip("/")
        self._oapi_base = settings.oapi_base_url.rstrip("/")

    async def api(self, method: str, path: str, body: Body, *, repeatable: bool) -> Body:
        """Call the OpenAPI and return its answer."""
        request = Request(method, self._base + path, path, body, repeatable)
        return await self._with_token(lambda token: self._send(request, {"x-acs-dingtalk-access-token": token}, {}))

    async def oapi(
        self, path: str, body: Body, *, metered: bool, query: Mapping[str, str] | None = None, files: Body | None = None
    ) -> Body:
        """Call the old API and return its answer; everything it is used for here may be repeated."""
        request = Request("POST", self._oapi_base + path, path, body, repeatable=True, metered=metered, files=files)
        return await self._with_token(lambda token: self._send(request, {}, {"access_token": token, **(query or {})}))

    async def post(self, url: str, body: Body, *, what: str) -> Body:
        """Post to an address that needs no token; twice would be seen twice."""
        return await self._send(Request("POST", url, what, body, repeatable=False, metered=False), {}, {})

    async def check(self) -> None:
        """Ask for an access token; a `SendError` says what is wrong with the account."""
        await self._token.get()

    async def _with_token(self, call: Callable[[str], Awaitable[Body]]) -> Body:
        """Call with a token; one that is no longer accepted is renewed once."""
        token = await self._token.get()
        try:
            return await call(token)
        except TokenExpired:
            log.info("dingtalk.token_refused")
        try:
            return await call(await self._token.replace(token))
        except TokenExpired as error:
            self._token.distrust(error)
            raise

    async def _fetch_token(self) -> Grant:
        body = {"appKey": self._settings.client_id, "appSecret": self._settings.client_secret.get_secret_value()}
        request = Request("POST", self._base + TOKEN_PATH, TOKEN_PATH, body, repeatable=True, metered=False)
        got = await self._send(request, {}, {})
        value, lifetime = got.get("accessToken"), got.get("expireIn")
        if not isinstance(value, str) or not isinstance(lifetime, int):
            raise no_answer(repeatable=True)
        return Grant(value, float(lifetime))

    async def _send(self, request: Request, headers: Mapping[str, str], query: Mapping[str, str]) -> Body:
        """Send it and return the body of a success; raise what anything else means, and log it."""
        answer = await self._ask(request, headers, query)
        error = refusal(answer, repeatable=request.repeatable)
        # What throttling turns away is not metered.
        if request.metered and not isinstance(error, RateLimited):
            self._count()
        if error is None:
            return answer.body or {}
        request_id = (answer.body or {}).get("requestid")
        report = log.error if needs_operator(answer) else log.info
        report("dingtalk.refused", path=request.what, status=answer.status, code=answer.code, request_id=request_id)
        raise error

    async def _ask(self, request: Request, headers: Mapping[str, str], query: Mapping[str, str]) -> Answer:
        content: dict[str, Any] = {"json": request.body}
        if request.files is not None:
            content = {"data": request.body, "files": request.files}
        if query:
            content["params"] = query
        try:
            response = await self._http.request(request.method, request.url, headers=headers, **content)
        except NOT_SENT as error:
            raise TryLater(UNREACHABLE) from error
        except httpx.HTTPError as error:
            raise no_answer(repeatable=request.repeatable) from error
        return read_answer(response)
