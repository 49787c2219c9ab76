"""A pretend WeCom: the server API our client talks to, and the phones behind it.

    client  →  /cgi-bin/message/send  →  a bubble on a phone
    a typed text or a pressed button  →  an encrypted callback  →  our server

It answers as the documentation says: always HTTP 200, an errcode for every fault, a task id once, a response code
once, identical messages dropped when the sender asks for it, more than a member can be sent dropped without a word.
Where real WeCom would cut or ignore something it refuses, because that would be a fault of ours. Tokens, task ids and
spent codes are forgotten at a restart; what the phones show is not.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.config import WecomSettings
from bot.sandbox.phones import Phones
from bot.sandbox.wecom_agent import Agent
from bot.sandbox.wecom_api import BAD_PARAMETER, Answer, ApiError, answering, json_body
from bot.sandbox.wecom_bodies import shown_message
from bot.sandbox.wecom_callbacks import Callback, Callbacks
from bot.sandbox.wecom_card_rules import TASK_ID_FAULT, first_fault
from bot.sandbox.wecom_codes import CodeUnknown, CodeUsed, ResponseCodes
from bot.sandbox.wecom_groups import Groups
from bot.sandbox.wecom_media import MediaShelf
from bot.sandbox.wecom_menus import Menus
from bot.sandbox.wecom_people import People
from bot.sandbox.wecom_presses import Chosen, NotOnPhone, press_fields
from bot.sandbox.wecom_rates import PER_MEMBER, Rates
from bot.sandbox.wecom_tokens import Tokens

PLATFORM = "wecom"
MAX_RECIPIENTS = 1000
EVERYBODY = "@all"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message that went over a member's limit and never arrived; the sender was told that it did."""

    user_id: str
    message_id: str
    payload: dict[str, Any]


class WecomCloud:
    """One corp with one app, its members' phones and its groups."""

    def __init__(
        self, phones: Phones, app: WecomSettings, members: Iterable[str], clock: Callable[[], float] = time.time
    ) -> None:
        self.members = {member.casefold() for member in members}
        self.callbacks = Callbacks(app, clock)
        self.tokens = Tokens(app, clock)
        self.people = People(self.members, clock)
        self.media = MediaShelf(phones, clock)
        self.agent = Agent(app.agent_id)
        self.menus = Menus(app.agent_id)
        self.groups = Groups(self.media, clock)
        self.dropped: list[Dropped] = []
        self._rates = Rates(PER_MEMBER, clock)
        self._phones = phones
        self._agent_id = app.agent_id
        self._clock = clock
        self._codes = ResponseCodes(app.secret.get_secret_value(), clock)
        self._task_ids: set[str] = set()
        self._recent: dict[tuple[str, str], float] = {}

    # The person at the phone.

    def type_text(self, user_id: str, text: str) -> Callback:
        """Show what a person typed on their phone and return the callback it causes."""
        callback = self.callbacks.message(user_id, "text", {"Content": text})
        bubble = {"msgtype": "text", "text": {"content": text}}
        self._phones.show(PLATFORM, user_id.casefold(), f"typed-{secrets.token_hex(8)}", bubble, "out")
        return callback

    def press(self, user_id: str, message_id: str, key: str, chosen: Chosen | None = None) -> Callback:
        """Return the callback of a pressed card button, with what was chosen and a response code of its own."""
        fields = press_fields(self._card_on_phone(user_id.casefold(), message_id), key, chosen or {})
        code = self._codes.issue(message_id)
        return self.callbacks.event(user_id, "template_card_event", {**fields, "ResponseCode": code})

    def open_chat(self, user_id: str) -> Callback:
        """Return the callback of opening the app's chat."""
        return self.callbacks.event(user_id, "enter_agent", {"EventKey": ""})

    # The server API.

    def routes(self, prefix: str = "") -> list[web.RouteDef]:
        """Return the calls under `prefix`; the client's base address is the server's plus the prefix."""
        base, guarding = f"{prefix}/cgi-bin", self.tokens.guarding
        return [
            web.get(f"{base}/gettoken", answering(self.tokens.grant)),
            web.post(f"{base}/message/send", answering(guarding(self._send))),
            web.post(f"{base}/message/update_template_card", answering(guarding(self._update))),
            web.post(f"{base}/media/upload", answering(guarding(self.media.upload))),
            web.get(f"{base}/agent/get", answering(guarding(self.agent.get))),
            web.get(f"{base}/user/get", answering(guarding(self.people.user))),
            web.post(f"{base}/user/getuserid", answering(guarding(self.people.user_id))),
            web.post(f"{base}/batch/openuserid_to_userid", answering(guarding(self.people.plain_user_ids))),
            web.post(f"{base}/menu/create", answering(guarding(self.menus.create))),
            web.get(f"{base}/menu/get", answering(guarding(self.menus.get))),
            web.get(f"{base}/menu/delete", answering(guarding(self.menus.delete))),
            web.post(f"{base}/webhook/send", answering(self.groups.send)),
            web.post(f"{base}/webhook/upload_media", answering(self.groups.upload)),
        ]

    async def _send(self, request: web.Request) -> Answer:
        body = await self._body(request)
        message = shown_message(body, self.media)
        known, unknown = self._recipients(body)
        if not known:
            raise ApiError(81013, "user & party & tag all invalid")
        unlicensed = [user for user in known if user in self.people.unlicensed]
        answer = {"invaliduser": "|".join(unknown), "invalidparty": "", "invalidtag": ""}
        answer |= {"unlicenseduser": "|".join(unlicensed), "msgid": secrets.token_urlsafe(24)}
        if card := message.get("template_card"):
            self._take_task_id(card)
            if _calls_back(card):
                answer["response_code"] = self._codes.issue(answer["msgid"])
        for user in known:
            if user not in unlicensed and not self._is_repeated(user, message, body):
                self._show(user, answer["msgid"], message)
        return answer

    def _show(self, user: str, message_id: str, message: dict[str, Any]) -> None:
        if self._rates.admit(user):
            self._phones.show(PLATFORM, user, message_id, message)
        else:
            self.dropped.append(Dropped(user, message_id, message))

    async def _update(self, request: web.Request) -> Answer:
        body = await self._body(request)
        code = str(body.get("response_code") or "")
        message_id = self._message_of(code)
        users = [str(user).casefold() for user in body.get("userids") or []]
        if not users and not body.get("atall"):
            raise ApiError(82001, "no recipient")
        if len(users) > MAX_RECIPIENTS:
            raise ApiError(BAD_PARAMETER, "too many recipients")
        holders = {shown.user_id: shown.payload for shown in self._phones.find(PLATFORM, message_id)}
        reached = [user for user in holders if body.get("atall") or user in users]
        changed = {user: _changed(holders[user]["template_card"], body) for user in reached}
        self._codes.spend(code)
        for user, card in changed.items():
            self._phones.show(PLATFORM, user, message_id, {"msgtype": "template_card", "template_card": card})
        return {"invaliduser": [user for user in users if user not in holders]}

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body = await json_body(request)
        if body.get("agentid") != self._agent_id:
            raise ApiError(40056, "invalid agentid")
        return body

    def _recipients(self, body: dict[str, Any]) -> tuple[list[str], list[str]]:
        wanted = [user for user in str(body.get("touser") or "").casefold().split("|") if user]
        if not wanted:
            raise ApiError(82001, "no recipient")
        if len(wanted) > MAX_RECIPIENTS:
            raise ApiError(BAD_PARAMETER, "too many recipients")
        if wanted == [EVERYBODY]:
            return sorted(self.members), []
        unique = list(dict.fromkeys(wanted))
        return [user for user in unique if user in self.members], [user for user in unique if user not in self.members]

    def _take_task_id(self, card: dict[str, Any]) -> None:
        task_id = card.get("task_id")
        if not task_id:
            return
        if task_id in self._task_ids:
            raise ApiError(*TASK_ID_FAULT)
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


def _calls_back(card: dict[str, Any]) -> bool:
    """Whether a card can be updated later."""
    return str(card["card_type"]).endswith("_interaction") or "action_menu" in card


def _changed(card: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the card after an update: another card under the same task id, or only a grey button."""
    name = (body.get("button") or {}).get("replace_name")
    if name and str(card["card_type"]).endswith("_interaction"):
        return {**card, "replace_text": str(name)}
    new: dict[str, Any] = body.get("template_card") or {}
    if fault := first_fault(new, update=True):
        raise ApiError(*fault)
    return {**new, "task_id": card.get("task_id", "")}
