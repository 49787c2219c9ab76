"""The doors of the pretend DingTalk's two APIs: who may come in, how often, and how each of them says no.

The new API answers 4xx with `{"code", "message", "requestid"}`, the old one HTTP 200 with `{"errcode", "errmsg"}`.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Work = Callable[[Json], Json]
Handler = Callable[[web.Request], Awaitable[web.Response]]

CALLS_A_SECOND = 20  # one app, one API, 标准版
TOKEN_SECONDS = 7200


# The permission each call needs, as the console names it (权限管理).
SCOPES = {
    "/v1.0/robot/oToMessages/batchSend": "qyapi_robot_sendmsg",
    "/v1.0/robot/groupMessages/send": "qyapi_robot_sendmsg",
    "/v1.0/card/instances": "Card.Instance.Write",
    "/v1.0/card/instances/createAndDeliver": "Card.Instance.Write",
    "/v1.0/card/callbacks/register": "Card.Instance.Write",
    "/v1.0/card/streaming": "Card.Streaming.Write",
    "/topapi/v2/user/get": "qyapi_get_member",
    "/topapi/v2/user/getbymobile": "qyapi_get_member_by_mobile",
}


class ApiRefusal(Exception):
    """An answer of the new API that is not a success."""

    def __init__(self, code: str, message: str = "", status: int = 400, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "message": message or code, "requestid": uuid.uuid4().hex, **more}


class OapiRefusal(Exception):
    """An answer of the old API, or of a webhook, that is not a success."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"errcode": code, "errmsg": message}


class Window:
    """Counts what happened within the last `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self) -> bool:
        """Note one more; False when that is too many."""
        now = self._clock()
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True


class ApiDoor:
    """Lets calls of one app through; `travellers` hear every call without its credentials.

    With `quota_spent` the month's calls are used up. `withheld` are permissions the app was not given; with
    `trusted_ips` only these addresses may call.
    """

    def __init__(self, credentials: tuple[str, str], clock: Callable[[], float]) -> None:
        self.tokens: dict[str, float] = {}
        self.travellers: list[Callable[[str, Json], None]] = []
        self.quota_spent = False
        self.withheld: set[str] = set()
        self.trusted_ips: set[str] | None = None
        self._credentials = credentials
        self._clock = clock
        self._windows: dict[str, Window] = {}

    def travelled(self, what: str, body: Json) -> None:
        """Tell whoever listens what travelled."""
        for listener in self.travellers:
            listener(what, body)

    async def access_token(self, request: web.Request) -> web.Response:
        """Give out a token; asked again while one is valid, the same one for longer."""
        body = await read_json(request)
        if (body.get("appKey"), body.get("appSecret")) != self._credentials:
            return refused(ApiRefusal("invalidClientIdOrSecret"))
        valid = [token for token, end in self.tokens.items() if end > self._clock()]
        token = valid[0] if valid else uuid.uuid4().hex
        self.tokens[token] = self._clock() + TOKEN_SECONDS
        return web.json_response({"accessToken": token, "expireIn": TOKEN_SECONDS})

    def api(self, path: str, work: Work) -> Handler:
        """Return a handler of the new API."""

        async def handle(request: web.Request) -> web.Response:
            body = await read_json(request)
            self.travelled("call", {"method": request.method, "path": path, "body": body})
            try:
                self._check_token(request.headers.get("x-acs-dingtalk-access-token", ""))
                self._check_address(request)
                self._check_permission(path)
                self._check_rate(f"{request.method} {path}")
                return web.json_response(work(body))
            except ApiRefusal as refusal:
                return refused(refusal)

        return handle

    def oapi(self, path: str, work: Callable[[web.Request], Awaitable[Json]], *, metered: bool) -> Handler:
        """Return a handler of the old API, whose token stands in the query."""

        async def handle(request: web.Request) -> web.Response:
            self.travelled("call", {"method": request.method, "path": path, "body": {}})
            try:
                self._check_old_token(request.query.get("access_token", ""))
                if SCOPES.get(path) in self.withheld:
                    raise OapiRefusal(60011, "没有调用该接口的权限")
                if metered and self.quota_spent:
                    raise OapiRefusal(90020, "api count limit")
                return web.json_response({"errcode": 0, "errmsg": "ok", **await work(request)})
            except OapiRefusal as refusal:
                return web.json_response(refusal.body)

        return handle

    def _check_token(self, token: str) -> None:
        if self.tokens.get(token, 0.0) <= self._clock():
            raise ApiRefusal("InvalidAuthentication", "token is not valid")

    def _check_old_token(self, token: str) -> None:
        if self.tokens.get(token, 0.0) <= self._clock():
            raise OapiRefusal(40014, "不合法的access_token")

    def _check_address(self, request: web.Request) -> None:
        if self.trusted_ips is not None and request.remote not in self.trusted_ips:
            raise ApiRefusal("Forbidden.AccessDenied.IpNotInWhiteList", f"request ip={request.remote}", 403)

    def _check_permission(self, path: str) -> None:
        if (scope := SCOPES.get(path)) in self.withheld:
            code, detail = "Forbidden.AccessDenied.AccessTokenPermissionDenied", {"requiredScopes": [scope]}
            raise ApiRefusal(code, status=403, accessdenieddetail=detail)

    def _check_rate(self, api: str) -> None:
        if self.quota_spent:
            raise ApiRefusal("Forbidden.AccessDenied.ApiCountLimitForOrg", status=403)
        window = self._windows.setdefault(api, Window(CALLS_A_SECOND, 1.0, self._clock))
        if not window.take():
            raise ApiRefusal("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", status=403)


async def read_json(request: web.Request) -> Json:
    """Return a JSON object, an empty one for anything else."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def refused(refusal: ApiRefusal) -> web.Response:
    """Return the answer of a refusal."""
    return web.json_response(refusal.body, status=refusal.status)
