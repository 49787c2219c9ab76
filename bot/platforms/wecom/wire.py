"""One call of WeCom's server API over httpx: every answer is HTTP 200, and errcode decides.

Tokens, secrets and webhook keys travel in the query, so nothing here logs an address, and the logger `httpx` has
to stay above INFO.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog

from bot.platforms.base import Refused, SendError, TryLater, Unknown
from bot.platforms.wecom.answers import ACCOUNT_WRONG, OK, Answer, AnswerLost, error_of

log = structlog.get_logger()

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
# Twenty megabytes at the speed of a shop's line, and WeCom's look at them.
UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=3.0)
AGAIN_SOON = 5.0
TOLD_SECONDS = 600.0
AGAIN_AFTER_BAD_ANSWER = 15.0

NOT_REACHED = "连不上企业微信"
NO_ANSWER = "企业微信没有应答"
BAD_ANSWER = "企业微信的应答看不懂"

# The request has not left this machine.
BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def new_http(base_url: str) -> httpx.AsyncClient:
    """Return a client with our limits; a proxy of the environment serves the internet, not this machine."""
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=httpx.URL(base_url).host not in LOOPBACK)


@dataclass(frozen=True, slots=True, repr=False)
class FilePart:
    """The file of a multipart upload; WeCom reads other than ASCII names wrongly (doc 90253)."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request. Without a repr: the query holds credentials."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    file: FilePart | None = None


def not_counted() -> None:
    """Count nothing."""


class Wire:
    """Sends calls to one address; `counted` hears of each.

    A call without a readable answer may have been done all the same: `AnswerLost` where it is `repeatable` without
    harm, else `Unknown`.
    """

    def __init__(
        self,
        base_url: str,
        http: httpx.AsyncClient,
        counted: Callable[[], None] = not_counted,
        *,
        repeatable: bool = True,
    ) -> None:
        self._base = f"{base_url.rstrip('/')}/cgi-bin"
        self._http = http
        self._counted = counted
        self._repeatable = repeatable
        self._told: dict[int, float] = {}

    async def answer(self, call: Call) -> Answer:
        """Return the answer of a call that succeeded, else raise the `SendError` its errcode stands for."""
        answer = self._read(await self._response(call), call.path)
        if answer.code == OK:
            if answer.partly_ignored:
                log.error("wecom.body_partly_ignored", path=call.path, hint=answer.hint)
            return answer
        error = error_of(answer.code)
        self._report(error, call.path, answer)
        raise error

    async def _response(self, call: Call) -> httpx.Response:
        self._counted()
        try:
            return await self._http.request(call.method, self._base + call.path, **_arguments(call))
        except BEFORE_SENDING as error:
            log.warning("wecom.not_reached", path=call.path, error=type(error).__name__)
            raise TryLater(NOT_REACHED, AGAIN_SOON) from error
        except httpx.RequestError as error:
            log.warning("wecom.no_answer", path=call.path, error=type(error).__name__)
            raise self._lost(NO_ANSWER, AGAIN_SOON) from error

    def _read(self, response: httpx.Response, path: str) -> Answer:
        try:
            body = response.json()
        except ValueError:
            body = None
        # A gateway in between may answer JSON of its own: only a body with an errcode is WeCom's.
        if isinstance(body, dict) and isinstance(body.get("errcode"), int):
            return Answer(body)
        log.warning("wecom.bad_answer", path=path, status=response.status_code)
        raise self._lost(f"{BAD_ANSWER}（HTTP {response.status_code}）", AGAIN_AFTER_BAD_ANSWER)

    def _report(self, error: SendError, path: str, answer: Answer) -> None:
        """Log what was answered; what only a person can mend is said once and not with every message."""
        if answer.code in ACCOUNT_WRONG:
            if self._may_tell(answer.code):
                log.error("wecom.account_wrong", path=path, errcode=answer.code, hint=answer.hint)
        elif isinstance(error, Refused):
            log.warning("wecom.refused", path=path, errcode=answer.code, hint=answer.hint)
        else:
            log.info("wecom.try_later", path=path, errcode=answer.code, hint=answer.hint)

    def _may_tell(self, code: int) -> bool:
        now = time.monotonic()
        if now < self._told.get(code, 0.0):
            return False
        self._told[code] = now + TOLD_SECONDS
        return True

    def _lost(self, reason: str, after: float) -> SendError:
        return AnswerLost(reason, after) if self._repeatable else Unknown(reason)


def _arguments(call: Call) -> dict[str, Any]:
    # httpx 0.28 writes `json` as UTF-8 without \u escapes, which WeCom refuses (40033).
    given: dict[str, Any] = {"params": dict(call.query)}
    if call.body is not None:
        given["json"] = dict(call.body)
    if call.file is not None:
        given["files"] = {"media": (call.file.name, call.file.data)}
        given["timeout"] = UPLOAD_TIMEOUT
    return given
