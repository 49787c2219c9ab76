"""An aibot that WeCom calls at our address, as a `Platform`.

    message   committed, answered with the first frame of a stream
    poll      answered with what the stream holds
    send      hands a piece over to the stream; one that is over sends it another way
    press     committed, answered with the card as it is then

It can never speak first (WeCom doc 101039): what is no answer goes by the tenant's app, if it has one.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog

from bot.cards import aibot as cards
from bot.cards.aibot_card import BadCard
from bot.config import AibotSettings
from bot.platforms.aibot import envelope
from bot.platforms.aibot.decode import PLATFORM, Decoder
from bot.platforms.aibot.envelope import Opened
from bot.platforms.aibot.greeting import greeting
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.http import new_http
from bot.platforms.aibot.inbound import Inbound, Poll, parse
from bot.platforms.aibot.live import StreamLive
from bot.platforms.aibot.other_ways import OtherWays
from bot.platforms.aibot.polls import Polls
from bot.platforms.aibot.presses import IN_TIME, Answer, Presses, PressTiming, asks_for_nothing
from bot.platforms.aibot.rates import conversation_rates
from bot.platforms.aibot.snapshot import accepts
from bot.platforms.aibot.sweep import Sweep
from bot.platforms.base import CardRef, LiveText, PlainChannel, Platform, Rate, Receipt, Refused
from bot.platforms.services import Services
from bot.platforms.wecom.crypto import Envelope
from db.streams import Piece, Streams
from handlers.messages import Address, Card, File, Part, Text, Update

log = structlog.get_logger()

Receive = Callable[[Update], Awaitable[bool]]

BAD_CARD = "卡片不合规（{}）"
CARD_IS_SPENT = "点按之后已过五秒，卡片不能再更新"
FILE_SENT_ALONE = "文件「{name}」已经单独发给您了。"
NO_FILES_HERE = "文件「{name}」在这里发不了，请到应用里再要一次。"


class AibotUrlPlatform(PlainChannel):
    """One tenant's aibot in URL mode. `app` is the tenant's self-built app, `client` is given by tests."""

    name = PLATFORM
    # The press itself is answered within five seconds; what it could not show is said after that.
    update_hold = timedelta(seconds=5)

    def __init__(
        self,
        settings: AibotSettings,
        services: Services,
        app: Platform | None = None,
        client: httpx.AsyncClient | None = None,
        press_timing: PressTiming = IN_TIME,
    ) -> None:
        self._settings = settings
        self._services = services
        self._http = client or new_http(settings.base_url)
        self._owns_http = client is None
        token, aes_key = settings.token, settings.aes_key
        if token is None or aes_key is None:
            raise ValueError("URL mode needs token and aes_key")
        self._envelope = Envelope(token.get_secret_value(), aes_key.get_secret_value(), "")
        self._streams = Streams(services.database, services.tenant_id)
        opened, clock = services.sealer.open, services.clock
        self._ways = OtherWays(self._streams, self._http, settings.base_url, opened, clock, app)
        self._polls = Polls(self._streams, self._ways, clock)
        self._presses = Presses.of(services, press_timing)
        self._sweep = Sweep(self._streams, self._ways, services)

    # What comes in.

    def open_callback(self, query: Mapping[str, str], body: bytes, now: float) -> Opened:
        """Return the decrypted JSON of a callback; `WecomRejected` carries the reason and the HTTP status."""
        return envelope.open_callback(self._envelope, query, body, now, self._settings.freshness_seconds)

    def verify_url(self, query: Mapping[str, str], now: float) -> str:
        """Return the body that answers the URL check, exactly; `WecomRejected` otherwise."""
        return envelope.verify_url(self._envelope, query, now, self._settings.freshness_seconds)

    def decode(self, message: bytes, tenant: str, received_at: datetime) -> Inbound:
        """Return what a message says; `Undecodable` names what is missing."""
        settings = self._settings
        seal = self._services.sealer.seal
        return Decoder(tenant, settings.name, settings.bot_id, settings.base_url, seal).decode(
            parse(message), received_at
        )

    async def answer(self, inbound: Inbound, receive: Receive) -> Answer:
        """Commit an update and return what answers it; a poll is only answered."""
        if isinstance(inbound, Poll):
            return Answer(await self._polls.answer(inbound))
        if not isinstance(inbound, Update):
            return Answer()
        if inbound.press and asks_for_nothing(inbound.press):
            return await self._presses.as_it_stands(inbound.press)
        await receive(inbound)
        self._services.count(PLATFORM, "received")
        return await self._to_update(inbound)

    def seal(self, answer: Answer, opened: Opened) -> str:
        """Return the encrypted body of an answer, "" for an empty one."""
        return "" if answer.frame is None else envelope.seal_answer(self._envelope, answer.frame, opened)

    async def settle(self, answer: Answer, *, sent: bool) -> None:
        """Write down whether an answer has gone out."""
        await self._presses.settle(answer, sent=sent)

    async def _to_update(self, update: Update) -> Answer:
        if update.press is not None:
            return await self._presses.answer(update, update.press)
        if update.kind == "enter":
            return Answer(greeting(self._settings.name))
        stream = Hints.of(update.address).stream
        return Answer(self._polls.first(stream)) if stream else Answer()

    # What goes out.

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the payloads that show this part, in order; pure. `Refused` for a card WeCom would refuse."""
        try:
            return cards.render(part, card)
        except BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the limits of one conversation."""
        return conversation_rates(self._settings.bot_id or f"tenant:{self._services.tenant_id}", address)

    def direct(self, address: Address) -> Address | None:
        """Return the person's chat with the app for a group message: the bot cannot write to them first."""
        if not address.group:
            return address
        by_app = self._ways.by_app(address)
        return by_app.address if by_app else None

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Yes: a stream knows a piece by its key, and the app a double. A file is as safe as the app makes it."""
        app = self._ways.app
        return not isinstance(part, File) or app is None or await app.may_repeat(part, address, key)

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Hand a payload over to the stream of its message, or send it another way; `Refused` when none is left."""
        receipt = await self._send(address, payload, card, key or uuid.uuid4().hex)
        cards.drop_data(payload)
        return receipt

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Refuse: a card changes only in the answer to its press (doc 101031), so the result becomes a message."""
        raise Refused(CARD_IS_SPENT)

    def live(self, address: Address, key: str) -> LiveText | None:
        """Return a text that the polls of a message show while it is written."""
        hints = Hints.of(address)
        return StreamLive(self._streams, hints.stream, hints.asked, key) if hints.stream else None

    async def sweep(self) -> None:
        """Send what streams hold that nobody fetches any more; called every few seconds."""
        await self._sweep()

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    async def _send(self, address: Address, payload: dict[str, Any], card: CardRef | None, key: str) -> Receipt:
        if payload["msgtype"] == "file":
            payload = await self._file(address, payload, key)
        hints = Hints.of(address)
        if hints.stream:
            piece = Piece(key, payload)
            handed = await self._streams.hand_over(hints.stream, hints.asked, piece, accepts(self._services.clock()))
            if handed != "no":
                return Receipt(hints.stream)
        self._services.count(PLATFORM, "calls")
        return await self._ways.send(address, payload, card, key)

    async def _file(self, address: Address, payload: dict[str, Any], key: str) -> dict[str, Any]:
        """Send a file by the app, and return the words that say so: an aibot called by URL has no files."""
        name = payload["part"]["name"]
        by_app = self._ways.by_app(address)
        if by_app is None:
            return cards.render(Text(NO_FILES_HERE.format(name=name)))[0]
        await by_app.send(payload, None, f"{key}:file")
        return cards.render(Text(FILE_SENT_ALONE.format(name=name)))[0]
