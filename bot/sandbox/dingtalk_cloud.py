"""A pretend DingTalk: gateway, Stream socket and OpenAPI on loopback, its messages shown on the phones.

It refuses what DingTalk refuses (wrong credentials, a used ticket, a stale token, card values that are no
strings, a second card of one id, 21 people in a call), with DingTalk's own codes. Nothing in the bot knows that
it talks to this and not to the real one.

What it puts on a phone, by `msgtype`:
    text      {"msgtype", "text", "conversationId"}                 typed by the person
    markdown  {"msgtype", "title", "text", "conversationId"}        from the robot
    card      {"msgtype", "cardTemplateId", "callbackType", "cardParamMap", "conversationId"}; message id: outTrackId
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from bot.sandbox.dingtalk_frames import (
    MESSAGE_TOPIC,
    PRESS_TOPIC,
    Written,
    bot_message,
    card_press,
    frame,
    pressed_answer,
)
from bot.sandbox.phones import Phones

PLATFORM = "dingtalk"
TICKET_SECONDS = 90
TOKEN_SECONDS = 7200
WEBHOOK_SECONDS = 5400  # as in DingTalk's samples
ACK_SECONDS = 5.0
PING_SECONDS = 25.0
MAX_USERS = 20
MAX_PARAM_BYTES = 15_000
MAX_WEBHOOK_BYTES = 20_000
TEMPLATES = frozenset({"1366a1eb-bc54-4859-ac88-517c56a9acb1.schema"})
DELIVER_MODELS = {"IM_ROBOT": "imRobotOpenDeliverModel", "IM_GROUP": "imGroupOpenDeliverModel"}

Json = dict[str, Any]
Work = Callable[[Json], Json]


class NotConnected(Exception):
    """No live socket: the bot is not listening."""


class ApiRefusal(Exception):
    """An answer of the new API that is not a success."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "message": message or code, "requestid": uuid.uuid4().hex}


@dataclass(frozen=True, slots=True)
class Link:
    """A live Stream socket and the base address its client came by."""

    socket: web.WebSocketResponse
    request: web.Request
    base: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group the robot is in."""

    title: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A session webhook, where it leads and until when; `group` is the group's title, "" for one to one."""

    url: str
    conversation: str
    users: tuple[str, ...]
    group: str
    expires: float

    @property
    def expires_ms(self) -> int:
        """The end as DingTalk writes it."""
        return int(self.expires * 1000)


class DingtalkCloud:
    """The cloud of one app; `travellers` hear every frame, acknowledgement and call, without credentials."""

    def __init__(
        self,
        phones: Phones,
        client_id: str,
        client_secret: str,
        robot_code: str,
        clock: Callable[[], float] = time.time,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.links: list[Link] = []
        self.travellers: list[Callable[[str, Json], None]] = []
        self.tokens: dict[str, float] = {}
        self._phones = phones
        self._credentials = (client_id, client_secret)
        self._robot_code = robot_code
        self._clock = clock
        self._ping_seconds = ping_seconds
        self._tickets: dict[str, float] = {}
        self._sessions: dict[str, Session] = {}
        self._groups: dict[str, Group] = {}
        self._cards: set[str] = set()
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    # --- for the server ---

    def add_to(self, app: web.Application, prefix: str = "") -> None:
        """Serve the cloud under `prefix`; base address and old-API address of the bot are then the same."""
        routes: list[tuple[str, str, Work]] = [
            ("POST", "/v1.0/robot/oToMessages/batchSend", self._batch_send),
            ("POST", "/v1.0/robot/groupMessages/send", self._group_send),
            ("POST", "/v1.0/card/instances/createAndDeliver", self._deliver_card),
            ("PUT", "/v1.0/card/instances", self._update_card),
        ]
        for method, path, work in routes:
            app.router.add_route(method, prefix + path, self._api(path, work))
        app.router.add_post(f"{prefix}/v1.0/gateway/connections/open", self._open(prefix))
        app.router.add_post(f"{prefix}/v1.0/oauth2/accessToken", self._access_token)
        app.router.add_post(f"{prefix}/robot/sendBySession", self._send_by_session)
        app.router.add_get(f"{prefix}/connect", self._connect)
        app.on_shutdown.append(self._close_links)

    # --- for the sandbox page and the tests ---

    def add_group(self, conversation: str, title: str, members: tuple[str, ...]) -> None:
        """Make a group with the robot in it."""
        self._groups[conversation] = Group(title, members)

    async def say(self, user_id: str, text: str, *, group: str = "", **fields: Any) -> Json:
        """Type a message on a phone and return the bot's acknowledgement.

        `group` is a conversation of `add_group`; `fields` replace fields of the frame's data. Raises
        `NotConnected` when no bot listens and `TimeoutError` when it does not acknowledge.
        """
        link = self._any_link()
        written = self._written(user_id, text, self.open_session(link.base, user_id, group))
        bubble = {"msgtype": "text", "text": text, "conversationId": written.conversation}
        self._phones.show(PLATFORM, user_id, written.message_id, bubble, "out")
        return await self.push(MESSAGE_TOPIC, bot_message(written) | fields, link=link)

    async def press(self, user_id: str, out_track_id: str, button_key: str, **fields: Any) -> Json:
        """Press a button of a card that is on this phone and return the bot's acknowledgement."""
        card = self._card_on(user_id, out_track_id)
        if card["callbackType"] != "STREAM":
            raise LookupError(f"card {out_track_id} was sent without callbackType STREAM: a press goes nowhere")
        data = card_press(user_id, out_track_id, button_key, card["conversationId"])
        ack = await self.push(PRESS_TOPIC, data | fields)
        if shown := pressed_answer(ack):
            current = self._card_on(user_id, out_track_id)
            updated = current | {"cardParamMap": current["cardParamMap"] | shown}
            self._phones.show(PLATFORM, user_id, out_track_id, updated)
        return ack

    async def push(
        self,
        topic: str,
        data: Any,
        *,
        kind: str = "CALLBACK",
        message_id: str | None = None,
        link: Link | None = None,
        seconds: float = ACK_SECONDS,
    ) -> Json:
        """Send one frame down a live socket and return its acknowledgement; `TimeoutError` without one."""
        link = link or self._any_link()
        message_id = message_id or uuid.uuid4().hex
        text = frame(topic, data, message_id, int(self._clock() * 1000), kind)
        with self._expecting(message_id) as answer:
            self._travelled("frame", json.loads(text))
            await link.socket.send_str(text)
            async with asyncio.timeout(seconds):
                return await answer

    @contextmanager
    def _expecting(self, message_id: str) -> Iterator[asyncio.Future[Json]]:
        answer = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            del self._waiting[message_id]

    def open_session(self, base: str, user_id: str, group: str = "") -> Session:
        """Return a webhook that answers this person, or the group, for 90 minutes."""
        room = self._groups.get(group)
        conversation, users = (group, room.members) if room else (_one_to_one(user_id), (user_id,))
        key, expires = uuid.uuid4().hex, self._clock() + WEBHOOK_SECONDS
        url = f"{base}/robot/sendBySession?session={key}"
        session = Session(url, conversation, users, room.title if room else "", expires)
        self._sessions = {old: known for old, known in self._sessions.items() if known.expires > self._clock()}
        self._sessions[key] = session
        return session

    def _written(self, user_id: str, text: str, session: Session) -> Written:
        return Written(
            user_id=user_id,
            text=text,
            conversation=session.conversation,
            message_id=f"msg{uuid.uuid4().hex}",
            webhook=session.url,
            webhook_ends_ms=session.expires_ms,
            created_ms=int(self._clock() * 1000),
            robot_code=self._robot_code,
            group=session.group,
        )

    def _card_on(self, user_id: str, out_track_id: str) -> Json:
        for shown in self._phones.find(PLATFORM, out_track_id):
            if shown.user_id == user_id:
                return shown.payload
        raise LookupError(f"no card {out_track_id} on the phone of {user_id}")

    def _any_link(self) -> Link:
        if not self.links:
            raise NotConnected("the bot is not connected")
        return random.choice(self.links)

    # --- the Stream ---

    def _open(self, prefix: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            body = await _json(request)
            if (body.get("clientId"), body.get("clientSecret")) != self._credentials:
                return _refused(ApiRefusal("authFailed", status=401))
            ticket = uuid.uuid4().hex
            self._tickets[ticket] = self._clock() + TICKET_SECONDS
            scheme = "wss" if request.scheme == "https" else "ws"
            return web.json_response({"endpoint": f"{scheme}://{request.host}{prefix}/connect", "ticket": ticket})

        return handle

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._tickets.pop(request.query.get("ticket", ""), 0.0) <= self._clock():
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        link = Link(socket, request, str(request.url.origin()) + request.path.removesuffix("/connect"))
        self.links.append(link)
        pings = asyncio.create_task(self._ping(link))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
        finally:
            pings.cancel()
            self.links.remove(link)
        return socket

    def _acknowledged(self, ack: Json) -> None:
        self._travelled("ack", ack)
        answer = self._waiting.get(ack["headers"].get("messageId", ""))
        if answer and not answer.done():
            answer.set_result(ack)

    async def _ping(self, link: Link) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            now = int(self._clock() * 1000)
            await link.socket.send_str(frame("ping", {"opaque": uuid.uuid4().hex}, uuid.uuid4().hex, now, "SYSTEM"))

    async def _close_links(self, _app: web.Application) -> None:
        for link in list(self.links):
            await link.socket.close(code=1001)

    # --- the OpenAPI ---

    async def _access_token(self, request: web.Request) -> web.Response:
        body = await _json(request)
        if (body.get("appKey"), body.get("appSecret")) != self._credentials:
            return _refused(ApiRefusal("invalidClientIdOrSecret"))
        valid = [token for token, end in self.tokens.items() if end > self._clock()]
        token = valid[0] if valid else uuid.uuid4().hex
        self.tokens[token] = self._clock() + TOKEN_SECONDS
        return web.json_response({"accessToken": token, "expireIn": TOKEN_SECONDS})

    def _api(self, path: str, work: Work) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            body = await _json(request)
            self._travelled("call", {"method": request.method, "path": path, "body": body})
            try:
                self._check_token(request.headers.get("x-acs-dingtalk-access-token", ""))
                return web.json_response(work(body))
            except ApiRefusal as refusal:
                return _refused(refusal)

        return handle

    def _check_token(self, token: str) -> None:
        if self.tokens.get(token, 0.0) <= self._clock():
            raise ApiRefusal("InvalidAuthentication", "token is not valid")

    def _batch_send(self, body: Json) -> Json:
        users = body.get("userIds")
        if not isinstance(users, list) or not users:
            raise ApiRefusal("invalidParameter.userIds.empty")
        if len(users) > MAX_USERS:
            raise ApiRefusal("invalidParameter.userIds.overMax")
        key = self._show_message(body, {user: _one_to_one(user) for user in users})
        return {"processQueryKey": key, "invalidStaffIdList": [], "flowControlledStaffIdList": []}

    def _group_send(self, body: Json) -> Json:
        conversation = str(body.get("openConversationId", ""))
        group = self._groups.get(conversation)
        if group is None:
            raise ApiRefusal("invalidParameter.openConversationId.notExist")
        return {"processQueryKey": self._show_message(body, dict.fromkeys(group.members, conversation))}

    def _show_message(self, body: Json, conversations: Mapping[str, str]) -> str:
        self._check_robot(body.get("robotCode"))
        param = _message_param(body)
        key = uuid.uuid4().hex
        for user, conversation in conversations.items():
            self._phones.show(PLATFORM, user, key, _markdown_bubble(param, conversation))
        return key

    def _check_robot(self, robot_code: Any) -> None:
        if robot_code != self._robot_code:
            raise ApiRefusal("invalidParameter.robotCode.notExsit")  # spelled as DingTalk spells it

    async def _send_by_session(self, request: web.Request) -> web.Response:
        """Answer as the old API does: HTTP 200, the error in `errcode`."""
        session = self._sessions.get(request.query.get("session", ""))
        raw, body = await request.read(), await _json(request)
        self._travelled("call", {"method": "POST", "path": "/robot/sendBySession", "body": body})
        if session is None or session.expires <= self._clock():
            return web.json_response({"errcode": 300001, "errmsg": "session 不存在"})
        if len(raw) > MAX_WEBHOOK_BYTES:
            return web.json_response({"errcode": 460101, "errmsg": "message too long"})
        content = body.get(str(body.get("msgtype")))
        if body.get("msgtype") not in ("text", "markdown") or not isinstance(content, dict):
            return web.json_response({"errcode": 400105, "errmsg": "unsupported msgtype"})
        key = uuid.uuid4().hex
        for user in session.users:
            self._phones.show(PLATFORM, user, key, _markdown_bubble(content, session.conversation))
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    def _deliver_card(self, body: Json) -> Json:
        out_track_id = str(body.get("outTrackId") or "")
        if not out_track_id:
            raise ApiRefusal("param.outTrackIdEmpty")
        if body.get("cardTemplateId") not in TEMPLATES:
            raise ApiRefusal("param.templateNotExist")
        if out_track_id in self._cards or self._phones.find(PLATFORM, out_track_id):
            raise ApiRefusal("param.cardAlreadyExist")
        params = _card_params(body)
        spaces = [self._space(body, space) for space in str(body.get("openSpaceId", "")).split(";")]
        self._cards.add(out_track_id)
        results = [self._show_card(body, out_track_id, params, kind, space) for kind, space in spaces]
        return {"success": True, "result": {"outTrackId": out_track_id, "deliverResults": results}}

    def _space(self, body: Json, open_space_id: str) -> tuple[str, str]:
        """Return kind and id of a space; its deliver model must be there and name this robot."""
        kind, _, space = open_space_id.removeprefix("dtv1.card//").partition(".")
        if kind not in DELIVER_MODELS or not space:
            raise ApiRefusal("param.openSpaceIdInvalid")
        model = body.get(DELIVER_MODELS[kind])
        if not isinstance(model, dict):
            raise ApiRefusal("param.spaceDeliverModelEmpty")
        self._check_robot(model.get("robotCode", None if kind == "IM_GROUP" else self._robot_code))
        return kind, space

    def _show_card(self, body: Json, out_track_id: str, params: Json, kind: str, space: str) -> Json:
        group = self._groups.get(space)
        if kind == "IM_GROUP" and group is None:
            return {"spaceType": kind, "spaceId": space, "success": False, "errorMsg": "robot is not in the group"}
        users, conversation = (group.members, space) if group else ((space,), _one_to_one(space))
        bubble = {
            "msgtype": "card",
            "cardTemplateId": body["cardTemplateId"],
            "callbackType": body.get("callbackType", ""),
            "cardParamMap": params,
            "conversationId": conversation,
        }
        for user in users:
            self._phones.show(PLATFORM, user, out_track_id, bubble)
        carrier = uuid.uuid4().hex
        return {"spaceType": kind, "spaceId": space, "success": True, "carrierId": carrier, "errorMsg": ""}

    def _update_card(self, body: Json) -> Json:
        out_track_id = str(body.get("outTrackId") or "")
        copies = self._phones.find(PLATFORM, out_track_id)
        if not copies and out_track_id not in self._cards:
            raise ApiRefusal("param.cardNotExist")
        params, options = _card_params(body), body.get("cardUpdateOptions")
        by_key = isinstance(options, dict) and options.get("updateCardDataByKey") is True
        for copy in copies:
            kept = copy.payload["cardParamMap"] if by_key else {}
            self._phones.show(PLATFORM, copy.user_id, out_track_id, copy.payload | {"cardParamMap": kept | params})
        return {"success": True, "result": True}

    def _travelled(self, what: str, body: Json) -> None:
        for listener in self.travellers:
            listener(what, body)


async def _json(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _refused(refusal: ApiRefusal) -> web.Response:
    return web.json_response(refusal.body, status=refusal.status)


def _one_to_one(user_id: str) -> str:
    return f"cid-{user_id}=="


def _message_param(body: Json) -> Json:
    raw = body.get("msgParam")
    if body.get("msgKey") != "sampleMarkdown" or not isinstance(raw, str):
        raise ApiRefusal("invalidParameter.msgParam.invalid", "msgParam is a JSON string")
    if len(raw.encode()) > MAX_PARAM_BYTES:
        raise ApiRefusal("invalidParameter.msgParam.tooLong")
    try:
        param = json.loads(raw)
    except ValueError:
        param = None
    if not isinstance(param, dict) or not {"title", "text"} <= param.keys():
        raise ApiRefusal("invalidParameter.msgParam.invalid")
    return param


def _card_params(body: Json) -> dict[str, str]:
    """Return cardParamMap; DingTalk takes string values only, and sys_full_json_obj must be JSON."""
    data = body.get("cardData")
    params = data.get("cardParamMap") if isinstance(data, dict) else None
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise ApiRefusal("param.cardDataInvalid", "cardParamMap takes string values only")
    try:
        json.loads(params.get("sys_full_json_obj", "{}"))
    except ValueError:
        raise ApiRefusal("param.cardDataInvalid", "sys_full_json_obj is no JSON") from None
    return dict(params)


def _markdown_bubble(content: Mapping[str, Any], conversation: str) -> Json:
    text = content.get("text", content.get("content", ""))
    return {"msgtype": "markdown", "title": content.get("title", ""), "text": text, "conversationId": conversation}
