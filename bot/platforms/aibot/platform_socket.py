"""An aibot connected by a socket of ours, as a `Platform`: no public address is needed (WeCom doc 101463).

Only the process that holds the socket is `ready`; the rows of the others wait for it.

    message   committed; a first frame if its answer takes longer than a second
    send      the answer under its message while that is possible, else a message of its own to who wrote before
    press     committed; its card is changed by delivery, within five seconds
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from bot.cards import aibot as cards
from bot.cards.aibot_card import BadCard
from bot.config import AibotSettings
from bot.platforms.aibot import holder, intake, watch
from bot.platforms.aibot.acks import AnswerOver, CardExists, MediaGone, ask
from bot.platforms.aibot.connection import SEND, UPDATE, Link
from bot.platforms.aibot.decode import DIRECTORY, PLATFORM, is_open_id
from bot.platforms.aibot.hints import ANSWER_LIFE, Hints
from bot.platforms.aibot.holder import Holder, HolderTiming
from bot.platforms.aibot.intake import Intake, IntakeTiming
from bot.platforms.aibot.live_push import Pace, PushedLive
from bot.platforms.aibot.rates import conversation_rates
from bot.platforms.aibot.snapshot import PICTURE_STARTS
from bot.platforms.aibot.turns import Turns
from bot.platforms.aibot.upload import LIFE, Kind, bytes_of, upload
from bot.platforms.aibot.watch import Watch, WatchTiming
from bot.platforms.base import CardRef, LiveText, PlainChannel, Platform, Rate, Receipt, Refused
from bot.platforms.services import Services
from db.streams import Streams
from handlers.messages import Address, Card, File, Part, Picture, Text, Update
from handlers.plain import as_text

log = structlog.get_logger()

Receive = Callable[[Update], Awaitable[bool]]

SINGLE, GROUP = 1, 2
# A press can be answered for five seconds; a frame needs a moment to get there.
PRESS_LIFE = timedelta(seconds=4.8)
BAD_CARD = "卡片不合规（{}）"
CARD_IS_SPENT = "点按之后已过五秒，卡片不能再更新"


@dataclass(frozen=True, slots=True)
class SocketTiming:
    """The pauses and deadlines of the parts."""

    holder: HolderTiming = holder.PATIENT
    watch: WatchTiming = watch.IN_TIME
    intake: IntakeTiming = intake.IN_TIME


PATIENT = SocketTiming()


class AibotSocketPlatform(PlainChannel):
    """One tenant's aibot in socket mode. `app` is the tenant's self-built app; `start` begins to connect."""

    name = PLATFORM
    update_hold = timedelta(0)

    def __init__(
        self,
        settings: AibotSettings,
        services: Services,
        app: Platform | None = None,
        timing: SocketTiming = PATIENT,
    ) -> None:
        self._settings = settings
        self._services = services
        self._app = app
        self._account = f"aibot:{settings.bot_id}"
        streams = Streams(services.database, services.tenant_id)
        self._turns = Turns(streams, services.clock)
        watching = Watch(streams, self._turns, self._now, services.clock, timing.watch)
        self._intake = Intake(settings, services, watching, self._now, timing.intake)
        self._holder = Holder(settings, services, self._intake.put, timing.holder)
        self._pace = Pace()

    def start(self, tenant: str, receive: Receive) -> None:
        """Begin to try for the socket, and to hand what comes through it to `receive`."""
        self._intake.start(tenant, receive)
        self._holder.start()

    async def stop(self) -> None:
        """Close the socket, let another replica have it, and commit what has come."""
        await self._holder.stop()
        await self._intake.stop()

    @property
    def link(self) -> Link | None:
        """The open socket, None while another process has it."""
        return self._holder.link

    @property
    def ready(self) -> bool:
        """Whether this process has the socket."""
        return self.link is not None

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the limits of one conversation."""
        return conversation_rates(self._settings.bot_id, address)

    def direct(self, address: Address) -> Address | None:
        """Return the person's chat with the app for a group message, without an app the one with the bot."""
        if not address.group:
            return address
        if self._app is not None and not is_open_id(address.user_id):
            return Address("wecom", f"user:{address.user_id}", address.user_id)
        return Address(PLATFORM, f"user:{address.user_id}", address.user_id, directory=DIRECTORY)

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the payloads that show this part, in order; pure. `Refused` for a card WeCom would refuse."""
        try:
            return cards.render(part, card)
        except BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """No: a message that came through the socket has nothing by which WeCom would know it again."""
        return False

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one payload under the message it answers, or as a message of its own."""
        part = cards.part_of(payload)
        if isinstance(part, Picture | File):
            receipt = await self._send_upload(address, part)
            cards.drop_data(payload)
            return receipt
        return await self._send(address, cards.wire_of(payload))

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the pressed card show `content` for everybody; `Refused` when its five seconds are over."""
        hints = Hints.of(address)
        if not hints.press_request or self._services.clock() >= hints.asked + PRESS_LIFE:
            raise Refused(CARD_IS_SPENT)
        try:
            shown = cards.render_update(content, card)
        except BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error
        body = {"response_type": "update_template_card", "userids": [], "template_card": shown}
        self._services.count(PLATFORM, "calls")
        await ask(self.link, UPDATE, body, hints.press_request)
        return Receipt()

    def live(self, address: Address, key: str) -> LiveText | None:
        """Return a text pushed while it is written; None in a process without the socket."""
        hints = Hints.of(address)
        if not hints.request or self.link is None:
            return None
        return PushedLive(self._turns, hints, self._now, lambda: self._pace.allows(address.conversation))

    async def close(self) -> None:
        """Stop."""
        await self.stop()

    def _now(self) -> Link | None:
        return self.link

    async def _send(self, address: Address, message: dict[str, Any]) -> Receipt:
        self._services.count(PLATFORM, "calls")
        hints = Hints.of(address)
        try:
            if hints.request and self._services.clock() < hints.asked + ANSWER_LIFE:
                await self._turns.respond(self.link, await self._turns.of(hints), message)
                return Receipt(hints.stream)
        except AnswerOver as error:
            log.info("aibot.answer_over", reason=error.reason)
        except CardExists:
            return _sent_before(message)
        try:
            await ask(self.link, SEND, _to(address) | message)
        except CardExists:
            return _sent_before(message)
        return Receipt()

    async def _send_upload(self, address: Address, part: Picture | File) -> Receipt:
        """Send a picture or a file; once more when WeCom has forgotten the upload."""
        raw = bytes_of(part.data)
        kind: Kind = "image" if isinstance(part, Picture) else "file"
        if kind == "image" and not raw.startswith(PICTURE_STARTS):
            (words,) = cards.render(Text(as_text([part])))
            return await self._send(address, words)
        try:
            return await self._send(address, await self._uploaded(kind, part.name, raw))
        except MediaGone:
            await self._services.media.forget(self._account, kind, raw)
            return await self._send(address, await self._uploaded(kind, part.name, raw))

    async def _uploaded(self, kind: Kind, name: str, raw: bytes) -> dict[str, Any]:
        async def send() -> tuple[str, timedelta]:
            return await upload(self.link, kind, name, raw), LIFE

        media_id = await self._services.media.reference(self._account, kind, raw, send)
        return {"msgtype": kind, kind: {"media_id": media_id}}


def _to(address: Address) -> dict[str, Any]:
    """Return where a message of its own goes; WeCom tells chats apart by case (93006)."""
    if address.group:
        return {"chatid": address.conversation.removeprefix("chat:"), "chat_type": GROUP}
    return {"chatid": Hints.of(address).chat or address.user_id, "chat_type": SINGLE}


def _sent_before(message: dict[str, Any]) -> Receipt:
    """Return the receipt of a card whose first attempt had no answer: its task id is ours alone."""
    log.warning("aibot.card_sent_before", card=message.get("template_card", {}).get("task_id"))
    return Receipt()
