"""A pretend DingTalk: gateway, Stream socket and both APIs on loopback, its messages shown on the phones.

It refuses what DingTalk refuses (wrong credentials, a used ticket, a stale token, card values that are no strings, a
second card of one id, 21 people in a call, 21 calls in a second), with DingTalk's own codes. Nothing in the bot knows
that it talks to this and not to the real one.

    dingtalk_gateway   tickets, sockets, frames        dingtalk_messages  what the robot says by API
    dingtalk_api       tokens, rates, refusals         dingtalk_webhooks  what is posted to an address
    dingtalk_cards     card instances                  dingtalk_media     uploads and downloads
    dingtalk_people    the address book                dingtalk_callbacks calls to the bot's address
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.sandbox.dingtalk_api import ApiDoor, Json, Work
from bot.sandbox.dingtalk_callbacks import Callbacks
from bot.sandbox.dingtalk_cards import Cards
from bot.sandbox.dingtalk_frames import (
    MESSAGE_TOPIC,
    PRESS_TOPIC,
    Written,
    bot_message,
    card_press,
    over_quota,
    pressed_answer,
)
from bot.sandbox.dingtalk_gateway import ACK_SECONDS, Gateway, Link
from bot.sandbox.dingtalk_media import MediaStore
from bot.sandbox.dingtalk_messages import RobotMessages
from bot.sandbox.dingtalk_people import AddressBook
from bot.sandbox.dingtalk_rooms import Room, Rooms
from bot.sandbox.dingtalk_webhooks import Session, Webhooks
from bot.sandbox.phones import Phones

PING_SECONDS = 25.0


class DingtalkCloud:
    """The cloud of one app. With `robot_url` messages are brought there, as with a robot in HTTP mode.

    `base_url` is the address by which the bot reaches us: addresses in what we bring and answer start with it.
    """

    def __init__(
        self,
        phones: Phones,
        client_id: str,
        client_secret: str,
        robot_code: str,
        clock: Callable[[], float] = time.time,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.robot_url = ""
        self.door = ApiDoor((client_id, client_secret), clock)
        self.gateway = Gateway((client_id, client_secret), self.door, clock, ping_seconds)
        self.rooms = Rooms(phones)
        self.media = MediaStore()
        self.book = AddressBook()
        self.cards = Cards(robot_code, self.rooms)
        self.webhooks = Webhooks(self.rooms, self.door, clock)
        self._messages = RobotMessages(robot_code, self.rooms, self.media, self.book)
        self._callbacks = Callbacks(client_secret, clock)
        self._robot_code = robot_code
        self._clock = clock
        self.base_url = ""

    @property
    def links(self) -> list[Link]:
        """The live sockets."""
        return self.gateway.links

    @property
    def tokens(self) -> dict[str, float]:
        """Every access token with its end."""
        return self.door.tokens

    @property
    def travellers(self) -> list[Callable[[str, Json], None]]:
        """Who hears every frame, acknowledgement and call, without credentials."""
        return self.door.travellers

    # --- for the server ---

    def add_to(self, app: web.Application, prefix: str = "") -> None:
        """Serve the cloud under `prefix`; base address and old-API address of the bot are then the same."""
        calls: list[tuple[str, str, Work]] = [
            ("POST", "/v1.0/robot/oToMessages/batchSend", self._messages.to_users),
            ("POST", "/v1.0/robot/groupMessages/send", self._messages.to_group),
            ("POST", "/v1.0/robot/messageFiles/download", lambda body: self.media.download(self.base_url, body)),
            ("POST", "/v1.0/card/instances/createAndDeliver", self.cards.create_and_deliver),
            ("POST", "/v1.0/card/instances", self.cards.create),
            ("PUT", "/v1.0/card/instances", self.cards.update),
            ("PUT", "/v1.0/card/streaming", self.cards.stream),
            ("POST", "/v1.0/card/callbacks/register", self.cards.register),
        ]
        for method, path, work in calls:
            app.router.add_route(method, prefix + path, self._from(prefix, self.door.api(path, work)))
        old_calls = [
            ("/media/upload", self.media.upload, True),
            ("/topapi/v2/user/get", self.book.user, False),
            ("/topapi/v2/user/getbymobile", self.book.by_mobile, False),
        ]
        for path, answer, metered in old_calls:
            app.router.add_post(prefix + path, self.door.oapi(path, answer, metered=metered))
        app.router.add_post(f"{prefix}/v1.0/gateway/connections/open", self.gateway.open(prefix))
        app.router.add_post(f"{prefix}/v1.0/oauth2/accessToken", self.door.access_token)
        app.router.add_post(f"{prefix}/robot/sendBySession", self.webhooks.by_session)
        app.router.add_post(f"{prefix}/robot/send", self.webhooks.by_robot)
        app.router.add_get(f"{prefix}/files/{{code}}", self.media.file)
        app.router.add_get(f"{prefix}/connect", self.gateway.connect)
        app.on_shutdown.append(self.gateway.close_links)

    # --- for the sandbox page and the tests ---

    def add_group(self, conversation: str, title: str, members: tuple[str, ...]) -> None:
        """Make a group with the robot in it."""
        self.rooms.add_group(conversation, title, members)

    async def say(self, user_id: str, text: str, *, group: str = "", **fields: Any) -> Json:
        """Type a message on a phone and return the bot's acknowledgement.

        `group` is a conversation of `add_group`; `fields` replace fields of the data. Raises `NotConnected` when no
        bot listens, `TimeoutError` when it does not acknowledge, `NotTaken` when its address refuses.
        """
        link = None if self.robot_url else self.gateway.any_link()
        session = self.open_session(link.base if link else self.base_url, user_id, group)
        written = self._written(user_id, text, session)
        self.rooms.show(
            Room(session.room.conversation, (user_id,)), written.message_id, {"msgtype": "text", "text": text}, "out"
        )
        data = (over_quota if self.door.quota_spent else bot_message)(written) | fields
        if self.robot_url:
            return await self._callbacks.message(self.robot_url, data)
        return await self.push(MESSAGE_TOPIC, data, link=link)

    async def press(self, user_id: str, out_track_id: str, button_key: str, **fields: Any) -> Json:
        """Press a button of a card that is on this phone and return the bot's answer.

        How it travels, the card itself said when it was created.
        """
        card = self.cards.shown_on(user_id, out_track_id)
        data = card_press(user_id, out_track_id, button_key, card["conversationId"]) | fields
        if card["callbackType"] == "STREAM":
            answer = await self.push(PRESS_TOPIC, data)
        elif card["callbackType"] == "HTTP" and (route := self.cards.routes.get(card["callbackRouteKey"])):
            answer = await self._callbacks.press(route.url, route.secret, data)
        else:
            raise LookupError(f"card {out_track_id} names no callbackType that leads anywhere: a press does nothing")
        if shown := pressed_answer(answer):
            self.cards.answer_press(user_id, out_track_id, shown)
        return answer

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
        return await self.gateway.push(topic, data, kind=kind, message_id=message_id, link=link, seconds=seconds)

    def open_session(self, base: str, user_id: str, group: str = "") -> Session:
        """Return a webhook that answers this person, or the group, for 90 minutes."""
        return self.webhooks.open_session(base, self.rooms.group(group) or self.rooms.person(user_id))

    def _written(self, user_id: str, text: str, session: Session) -> Written:
        return Written(
            user_id=user_id,
            text=text,
            conversation=session.room.conversation,
            message_id=f"msg{uuid.uuid4().hex}",
            webhook=session.url,
            webhook_ends_ms=session.expires_ms,
            created_ms=int(self._clock() * 1000),
            robot_code=self._robot_code,
            group=session.room.title,
        )

    def _from(self, prefix: str, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        """Remember by which address the bot reached us."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self.base_url = f"{request.url.origin()}{prefix}"
            answer: web.StreamResponse = await handler(request)
            return answer

        return handle
