"""DingTalk's HTTP side: session webhook, robot messages and cards.

Cards carry our own id and may be repeated; webhook replies and robot messages may not, so a request that went
out without an answer is `Unknown` there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from bot.config import DingtalkSettings
from bot.platforms.access_token import AccessToken, Grant, TokenStore
from bot.platforms.base import Refused, SendError, TryLater
from bot.platforms.dingtalk.errors import (
    UNREACHABLE,
    Answer,
    CardExists,
    TokenExpired,
    needs_operator,
    no_answer,
    read_answer,
    refusal,
)

log = structlog.get_logger()

USERS_PER_CALL = 20
TIMEOUT = httpx.Timeout(10.0, connect=3.0)
WEBHOOK_HOSTS = frozenset({"oapi.dingtalk.com", "api.dingtalk.com"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# The request never left: the same one may be sent again.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

FOREIGN_WEBHOOK = "回复地址不是钉钉的"
NOT_DELIVERED = "卡片没有送达：{why}"

TOKEN_PATH = "/v1.0/oauth2/accessToken"  # noqa: S105 (a path)
TO_USERS_PATH = "/v1.0/robot/oToMessages/batchSend"
TO_GROUP_PATH = "/v1.0/robot/groupMessages/send"
DELIVER_PATH = "/v1.0/card/instances/createAndDeliver"
CARD_PATH = "/v1.0/card/instances"


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of one call to up to 20 people: refused ones for good, throttled ones for now."""

    users: tuple[str, ...]
    message_id: str = ""
    refused: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    error: SendError | None = None


class DingtalkClient:
    """One app's calls; raises `Refused`, `TryLater` or `Unknown` with a reason in Chinese."""

    def __init__(
        self,
        settings: DingtalkSettings,
        http: httpx.AsyncClient,
        clock: Callable[[], float],
        store: TokenStore | None = None,
    ) -> None:
        self._settings = settings
        self._http = http
        self._token = AccessToken(self._fetch_token, clock, store)

    async def reply(self, webhook: str, title: str, text: str) -> None:
        """Post Markdown to a message's session webhook; `SessionGone` when it is spent."""
        if not self._is_dingtalk(webhook):
            raise Refused(FOREIGN_WEBHOOK)
        body = {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
        answer = await self._request("POST", webhook, body, repeatable=False)
        _raise_for(answer, "sendBySession", repeatable=False)

    async def send_to_users(self, users: Sequence[str], title: str, text: str) -> list[Batch]:
        """Send Markdown to people, 20 a call; a failed call is told in its batch and does not stop the next."""
        chunks = [tuple(users[i : i + USERS_PER_CALL]) for i in range(0, len(users), USERS_PER_CALL)]
        return [await self._send_batch(chunk, title, text) for chunk in chunks]

    async def send_to_group(self, conversation: str, title: str, text: str) -> str:
        """Send Markdown to a group the robot is in; returns the message's id."""
        body = self._markdown(title, text) | {"openConversationId": conversation}
        sent = await self._call("POST", TO_GROUP_PATH, body, repeatable=False)
        return str(sent.get("processQueryKey", ""))

    async def deliver_card(self, body: Mapping[str, Any]) -> str:
        """Create and deliver a card; returns its carrier id, "" when an earlier attempt had created it.

        HTTP 200 with an unsuccessful delivery is a refusal too.
        """
        try:
            created = await self._call("POST", DELIVER_PATH, body, repeatable=True)
        except CardExists:
            return ""
        deliveries = _deliveries(created)
        for delivery in deliveries:
            if delivery.get("success") is False:
                raise Refused(NOT_DELIVERED.format(why=delivery.get("errorMsg") or "钉钉没有说明原因"))
        return str(deliveries[0].get("carrierId", "")) if deliveries else ""

    async def update_card(self, out_track_id: str, params: Mapping[str, str]) -> None:
        """Give these variables of a card new values, for everyone who sees it."""
        body = {
            "outTrackId": out_track_id,
            "cardData": {"cardParamMap": dict(params)},
            # Without it DingTalk empties every variable that is not sent.
            "cardUpdateOptions": {"updateCardDataByKey": True},
            "userIdType": 1,
        }
        await self._call("PUT", CARD_PATH, body, repeatable=True)

    async def _send_batch(self, users: tuple[str, ...], title: str, text: str) -> Batch:
        body = self._markdown(title, text) | {"userIds": list(users)}
        try:
            sent = await self._call("POST", TO_USERS_PATH, body, repeatable=False)
        except SendError as error:
            return Batch(users, error=error)
        refused, throttled = _names(sent, "invalidStaffIdList"), _names(sent, "flowControlledStaffIdList")
        return Batch(users, str(sent.get("processQueryKey", "")), refused, throttled)

    def _markdown(self, title: str, text: str) -> dict[str, Any]:
        param = json.dumps({"title": title, "text": text}, ensure_ascii=False)
        return {"robotCode": self._settings.robot_code, "msgKey": "sampleMarkdown", "msgParam": param}

    async def _call(self, method: str, path: str, body: Mapping[str, Any], *, repeatable: bool) -> Mapping[str, Any]:
        """Call the OpenAPI; a token it no longer accepts is renewed once."""
        token = await self._token.get()
        try:
            return await self._call_with(token, method, path, body, repeatable=repeatable)
        except TokenExpired:
            log.info("dingtalk.token_refused", path=path)
        try:
            return await self._call_with(await self._token.replace(token), method, path, body, repeatable=repeatable)
        except TokenExpired as error:
            self._token.distrust(error)
            raise

    async def _call_with(
        self, token: str, method: str, path: str, body: Mapping[str, Any], *, repeatable: bool
    ) -> Mapping[str, Any]:
        url, headers = self._settings.base_url.rstrip("/") + path, {"x-acs-dingtalk-access-token": token}
        answer = await self._request(method, url, body, repeatable=repeatable, headers=headers)
        return _raise_for(answer, path, repeatable=repeatable)

    async def check(self) -> None:
        """Ask DingTalk for an access token; a `SendError` says what is wrong with the account."""
        await self._token.get()

    async def _fetch_token(self) -> Grant:
        body = {
            "appKey": self._settings.client_id,
            "appSecret": self._settings.client_secret.get_secret_value(),
        }
        url = self._settings.base_url.rstrip("/") + TOKEN_PATH
        got = _raise_for(await self._request("POST", url, body, repeatable=True), TOKEN_PATH, repeatable=True)
        value, lifetime = got.get("accessToken"), got.get("expireIn")
        if not isinstance(value, str) or not isinstance(lifetime, int):
            raise no_answer(repeatable=True)
        return Grant(value, float(lifetime))

    async def _request(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        try:
            response = await self._http.request(method, url, json=body, headers=headers)
        except NOT_SENT as error:
            raise TryLater(UNREACHABLE) from error
        except httpx.HTTPError as error:
            raise no_answer(repeatable=repeatable) from error
        return read_answer(response)

    def _is_dingtalk(self, webhook: str) -> bool:
        """Tell whether an address that came in a message may be posted to."""
        try:
            url = urlsplit(webhook)
            host, port = url.hostname or "", url.port
        except ValueError:
            return False
        if url.username is not None or (url.scheme != "https" and not (url.scheme == "http" and host in LOOPBACK)):
            return False
        configured = {urlsplit(base).netloc for base in (self._settings.base_url, self._settings.oapi_base_url)}
        return (host in WEBHOOK_HOSTS and port in (None, 443)) or url.netloc in configured


def _raise_for(answer: Answer, path: str, *, repeatable: bool) -> Mapping[str, Any]:
    """Return the body of a success; raise what anything else means, and log it with its request id."""
    error = refusal(answer, repeatable=repeatable)
    if error is None:
        return answer.body or {}
    request_id = (answer.body or {}).get("requestid")
    report = log.error if needs_operator(answer) else log.info
    report("dingtalk.refused", path=path, status=answer.status, code=answer.code, request_id=request_id)
    raise error


def _deliveries(created: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = created.get("result")
    found = result.get("deliverResults") if isinstance(result, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _names(sent: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = sent.get(name)
    return tuple(map(str, found)) if isinstance(found, list) else ()
