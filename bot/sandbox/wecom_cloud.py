"""A pretend WeCom: the server API our client talks to, and the phones behind it.

    client  →  /cgi-bin/message/send  →  a bubble on a phone
    a typed text or a pressed button  →  an encrypted callback  →  our server

It answers as the documentation says: always HTTP 200, an errcode for every fault, texts cut at 2048 bytes, a
task id once, a response code once, identical messages dropped when the sender asks for it. It has no frequency
limits. Tokens, task ids and spent codes are forgotten at a restart; what the phones show is not.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from bot.config import WecomSettings
from bot.sandbox.phones import Phones
from bot.sandbox.wecom_callbacks import Callback, Callbacks
from bot.sandbox.wecom_card_rules import BAD_TASK_ID, first_fault
from bot.sandbox.wecom_codes import CodeUnknown, CodeUsed, ResponseCodes

PLATFORM = "wecom"
TEXT_BYTES = 2048
TOKEN_SECONDS = 7200
MAX_RECIPIENTS = 1000
EVERYBODY = "@all"

Answer = dict[str, Any]


class NotOnPhone(Exception):
    """The phone shows no such button, or it is grey."""


class ApiError(Exception):
    """An errcode other than 0."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WecomCloud:
    """One corp with one app and its members' phones."""

    def __init__(
        self, phones: Phones, app: WecomSettings, members: Iterable[str], clock: Callable[[], float] = time.time
    ) -> None:
        self.members = {member.casefold() for member in members}
        self.callbacks = Callbacks(app, clock)
        self._phones = phones
        self._app = app
        self._clock = clock
        self._codes = ResponseCodes(app.secret.get_secret_value(), clock)
        self._tokens: dict[str, float] = {}
        self._task_ids: set[str] = set()
        self._recent: dict[tuple[str, str], float] = {}

    # The person at the phone.

    def type_text(self, user_id: str, text: str) -> Callback:
        """Show what a person typed on their phone and return the callback it causes."""
        callback = self.callbacks.message(user_id, "text", {"Content": text})
        bubble = {"msgtype": "text", "text": {"content": text}}
        self._phones.show(PLATFORM, user_id.casefold(), f"typed-{secrets.token_hex(8)}", bubble, "out")
        return callback

    def press(self, user_id: str, message_id: str, key: str) -> Callback:
        """Return the callback of a pressed card button, with a response code of its own."""
        card = self._card_on_phone(user_id.casefold(), message_id)
        if card.get("replace_text") or key not in {button["key"] for button in card.get("button_list", [])}:
            raise NotOnPhone(key)
        fields = {"EventKey": key, "TaskId": card["task_id"], "CardType": card["card_type"]}
        code = self._codes.issue(message_id)
        return self.callbacks.event(user_id, "template_card_event", {**fields, "ResponseCode": code})

    def open_chat(self, user_id: str) -> Callback:
        """Return the callback of opening the app's chat."""
        return self.callbacks.event(user_id, "enter_agent", {"EventKey": ""})

    # The server API.

    def routes(self, prefix: str = "") -> list[web.RouteDef]:
        """Return the three calls under `prefix`; the client's base address is the server's plus the prefix."""
        return [
            web.get(f"{prefix}/cgi-bin/gettoken", _answering(self._get_token)),
            web.post(f"{prefix}/cgi-bin/message/send", _answering(self._send)),
            web.post(f"{prefix}/cgi-bin/message/update_template_card", _answering(self._update)),
        ]

    def revoke_tokens(self) -> None:
        """Make every token handed out so far invalid, as WeCom may at any time."""
        self._tokens.clear()

    async def _get_token(self, request: web.Request) -> Answer:
        if request.query.get("corpid") != self._app.corp_id:
            raise ApiError(40013, "invalid corpid")
        secret = request.query.get("corpsecret", "")
        if not hmac.compare_digest(secret.encode(), self._app.secret.get_secret_value().encode()):
            raise ApiError(40001, "invalid credential")
        token = secrets.token_urlsafe(48)
        self._tokens[token] = self._clock() + TOKEN_SECONDS
        return {"access_token": token, "expires_in": TOKEN_SECONDS}

    async def _send(self, request: web.Request) -> Answer:
        body = await self._authorised_body(request)
        message = _message(body)
        known, unknown = self._recipients(body)
        if not known:
            raise ApiError(81013, "user & party & tag all invalid")
        answer = {"invaliduser": "|".join(unknown), "invalidparty": "", "invalidtag": "", "unlicenseduser": ""}
        answer["msgid"] = secrets.token_urlsafe(24)
        if card := message.get("template_card"):
            self._take_task_id(card)
            if _calls_back(card):
                answer["response_code"] = self._codes.issue(answer["msgid"])
        for user in known:
            if not self._is_repeated(user, message, body):
                self._phones.show(PLATFORM, user, answer["msgid"], message)
        return answer

    async def _update(self, request: web.Request) -> Answer:
        body = await self._authorised_body(request)
        code = str(body.get("response_code") or "")
        message_id = self._message_of(code)
        users = [str(user).casefold() for user in body.get("userids") or []]
        if not users and not body.get("atall"):
            raise ApiError(82001, "no recipient")
        holders = {shown.user_id: shown.payload for shown in self._phones.find(PLATFORM, message_id)}
        reached = [user for user in holders if body.get("atall") or user in users]
        changed = {user: _changed(holders[user]["template_card"], body) for user in reached}
        self._codes.spend(code)
        for user, card in changed.items():
            self._phones.show(PLATFORM, user, message_id, {"msgtype": "template_card", "template_card": card})
        return {"invaliduser": [user for user in users if user not in holders]}

    async def _authorised_body(self, request: web.Request) -> dict[str, Any]:
        self._check_token(request.query.get("access_token", ""))
        raw = await request.read()
        if b"\\u" in raw:
            raise ApiError(40033, "invalid charset: real UTF-8 is wanted")
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise ApiError(47001, "data format error") from error
        if not isinstance(body, dict):
            raise ApiError(47001, "data format error")
        if body.get("agentid") != self._app.agent_id:
            raise ApiError(40056, "invalid agentid")
        return body

    def _check_token(self, token: str) -> None:
        if not token:
            raise ApiError(41001, "access_token missing")
        if token not in self._tokens:
            raise ApiError(40014, "invalid access_token")
        if self._tokens[token] < self._clock():
            raise ApiError(42001, "access_token expired")

    def _recipients(self, body: dict[str, Any]) -> tuple[list[str], list[str]]:
        wanted = [user for user in str(body.get("touser") or "").casefold().split("|") if user]
        if not wanted:
            raise ApiError(82001, "no recipient")
        if len(wanted) > MAX_RECIPIENTS:
            raise ApiError(40058, "too many recipients")
        if wanted == [EVERYBODY]:
            return sorted(self.members), []
        unique = list(dict.fromkeys(wanted))
        return [user for user in unique if user in self.members], [user for user in unique if user not in self.members]

    def _take_task_id(self, card: dict[str, Any]) -> None:
        task_id = card.get("task_id")
        if not task_id:
            return
        if task_id in self._task_ids:
            raise ApiError(BAD_TASK_ID, "taskid has existed or empty or exceed max len")
        self._task_ids.add(task_id)

    def _is_repeated(self, user: str, message: dict[str, Any], body: dict[str, Any]) -> bool:
        if not body.get("enable_duplicate_check"):
            return False
        known = (user, json.dumps(message, sort_keys=True))
        until = self._recent.get(known, 0.0)
        if self._clock() < until:
            return True
        self._recent[known] = self._clock() + float(body.get("duplicate_check_interval", 1800))
        return False

    def _message_of(self, code: str) -> str:
        try:
            return self._codes.look(code)
        except CodeUsed as error:
            raise ApiError(42022, "response_code has been used") from error
        except CodeUnknown as error:
            raise ApiError(42016, "response_code not found or expired") from error

    def _card_on_phone(self, user_id: str, message_id: str) -> dict[str, Any]:
        for shown in self._phones.find(PLATFORM, message_id):
            if shown.user_id == user_id and "template_card" in shown.payload:
                return dict(shown.payload["template_card"])
        raise NotOnPhone(message_id)


def _answering(call: Callable[[web.Request], Awaitable[Answer]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            answer = {"errcode": 0, "errmsg": "ok", **await call(request)}
        except ApiError as error:
            hint = secrets.randbelow(10**18)
            answer = {"errcode": error.code, "errmsg": f"{error.message}, hint: [{hint}], from ip: {request.remote}"}
        return web.json_response(answer)

    return handle


def _message(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a phone will show of a send body."""
    kind = body.get("msgtype")
    content = body.get(str(kind))
    if kind == "template_card":
        if fault := first_fault(content):
            raise ApiError(*fault)
        return {"msgtype": kind, kind: content}
    if kind not in {"text", "markdown"}:
        raise ApiError(40008, "invalid message type")
    text = content.get("content") if isinstance(content, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ApiError(44004, "empty content")
    return {"msgtype": kind, kind: {"content": text.encode()[:TEXT_BYTES].decode(errors="ignore")}}


def _calls_back(card: dict[str, Any]) -> bool:
    """Whether a card can be updated later."""
    return str(card["card_type"]).endswith("_interaction") or "action_menu" in card


def _changed(card: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the card after an update: another card under the same task id, or only a grey button."""
    if name := (body.get("button") or {}).get("replace_name"):
        return {**card, "replace_text": str(name)}
    new: dict[str, Any] = body.get("template_card") or {}
    if fault := first_fault(new, update=True):
        raise ApiError(*fault)
    return {**new, "task_id": card.get("task_id", "")}
