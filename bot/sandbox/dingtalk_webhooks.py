"""Addresses of the pretend DingTalk that need no token: session webhooks, and the custom robots of groups.

Both answer as the old API does: HTTP 200, the error in `errcode`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.sandbox.dingtalk_api import ApiDoor, Json, OapiRefusal, Window, read_json
from bot.sandbox.dingtalk_messages import link_bubble, markdown_bubble
from bot.sandbox.dingtalk_rooms import Room, Rooms

WEBHOOK_SECONDS = 5400  # as in DingTalk's samples
MAX_BODY_BYTES = 20_000
SIGNED_SECONDS = 3600
OK = {"errcode": 0, "errmsg": "ok"}
ROBOT_SENDS, ROBOT_SECONDS, ROBOT_BAN_SECONDS = 20, 60.0, 600.0


@dataclass(frozen=True, slots=True)
class Session:
    """A session webhook, where it leads and until when."""

    url: str
    room: Room
    expires: float

    @property
    def expires_ms(self) -> int:
        """The end as DingTalk writes it."""
        return int(self.expires * 1000)


@dataclass(slots=True)
class GroupRobot:
    """A custom robot of a group: what it is signed with, how much it said, and which messages it has shown."""

    secret: str
    room: Room
    window: Window
    banned_until: float = 0.0
    shown: set[str] = field(default_factory=set)


class Webhooks:
    """Every address somebody may post to."""

    def __init__(self, rooms: Rooms, door: ApiDoor, clock: Callable[[], float]) -> None:
        self._rooms = rooms
        self._door = door
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._robots: dict[str, GroupRobot] = {}

    def open_session(self, base: str, room: Room) -> Session:
        """Return a webhook that answers in this room for 90 minutes."""
        key, expires = uuid.uuid4().hex, self._clock() + WEBHOOK_SECONDS
        session = Session(f"{base}/robot/sendBySession?session={key}", room, expires)
        self._sessions = {old: known for old, known in self._sessions.items() if known.expires > self._clock()}
        self._sessions[key] = session
        return session

    def add_robot(self, access_token: str, secret: str, room: Room) -> None:
        """Put a custom robot into a group."""
        window = Window(ROBOT_SENDS, ROBOT_SECONDS, self._clock)
        self._robots[access_token] = GroupRobot(secret, room, window)

    async def by_session(self, request: web.Request) -> web.Response:
        """Answer in the conversation of a message."""
        body = await self._heard(request, "/robot/sendBySession")
        session = self._sessions.get(request.query.get("session", ""))
        if session is None or session.expires <= self._clock():
            return _answer(OapiRefusal(300001, "session 不存在"))
        return await self._show(request, session.room, body)

    async def by_robot(self, request: web.Request) -> web.Response:
        """Say something as a custom robot."""
        body = await self._heard(request, "/robot/send")
        robot = self._robots.get(request.query.get("access_token", ""))
        if robot is None:
            return _answer(OapiRefusal(300001, "token is not exist"))
        if not self._is_signed(request.query, robot.secret):
            return _answer(OapiRefusal(310000, "sign not match"))
        if not self._may_speak(robot):
            return _answer(OapiRefusal(130101, "send too fast, exceed 20 times per minute"))
        if (message := str(body.get("msgUuid", ""))) and message in robot.shown:
            return web.json_response(OK)
        return await self._show(request, robot.room, body, lambda: robot.shown.add(message))

    async def _heard(self, request: web.Request, path: str) -> Json:
        body = await read_json(request)
        self._door.travelled("call", {"method": "POST", "path": path, "body": body})
        return body

    async def _show(
        self, request: web.Request, room: Room, body: Json, then: Callable[[], None] = lambda: None
    ) -> web.Response:
        try:
            if len(await request.read()) > MAX_BODY_BYTES:
                raise OapiRefusal(460101, "message too long, exceed 20000 bytes")
            self._rooms.show(room, uuid.uuid4().hex, _bubble(body))
        except OapiRefusal as refusal:
            return _answer(refusal)
        then()
        return web.json_response(OK)

    def _is_signed(self, query: Mapping[str, str], secret: str) -> bool:
        timestamp = query.get("timestamp", "")
        if not timestamp.isdecimal() or abs(self._clock() - int(timestamp) / 1000) > SIGNED_SECONDS:
            return False
        digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
        return hmac.compare_digest(query.get("sign", ""), base64.b64encode(digest).decode())

    def _may_speak(self, robot: GroupRobot) -> bool:
        """Twenty a minute; whoever says more is silent for ten."""
        if self._clock() < robot.banned_until:
            return False
        if robot.window.take():
            return True
        robot.banned_until = self._clock() + ROBOT_BAN_SECONDS
        return False


def _answer(refusal: OapiRefusal) -> web.Response:
    return web.json_response(refusal.body)


def _bubble(body: Json) -> Json:
    """Return what a phone shows; every field that the type needs must be a text."""
    kind = str(body.get("msgtype"))
    content = body.get(kind)
    if kind not in SHOWN_AS or not isinstance(content, dict):
        raise OapiRefusal(400105, "unsupported msgtype")
    try:
        return SHOWN_AS[kind](content)
    except (KeyError, TypeError) as error:
        raise OapiRefusal(400106, f"missing {error}") from None


def _feed(content: Json) -> Json:
    if not all(one["picURL"] for one in content["links"]):
        raise OapiRefusal(400106, "a feed needs a picture for each link")
    links = [{"title": one["title"], "text": "", "url": one["messageURL"]} for one in content["links"]]
    return {"msgtype": "links", "links": links}


SHOWN_AS: Mapping[str, Callable[[Json], Json]] = {
    "text": lambda content: markdown_bubble({"title": "", "text": content["content"]}),
    "markdown": lambda content: markdown_bubble({"title": content["title"], "text": content["text"]}),
    "link": lambda content: link_bubble(content["title"], content["text"], content["messageUrl"]),
    "actionCard": lambda content: link_bubble(content["title"], content["text"], content["singleURL"]),
    "feedCard": _feed,
}
