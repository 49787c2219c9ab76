"""How an answer travels when its stream does not take it: by the message's response_url, or by the tenant's app.

    words                     response_url (once), then the app
    card, picture, file       the app, which can show them; then response_url, in words where it has to be

What went by response_url is noted in the stream under its key before it goes out, so that replicas use it once and
a retry is told from a second answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from bot.cards.aibot import part_of, wire_of, words_of
from bot.platforms.aibot.decode import is_open_id, same_host
from bot.platforms.aibot.hints import RESPONSE_URL_LIFE, Hints
from bot.platforms.aibot.response_url import post_response
from bot.platforms.aibot.snapshot import cut
from bot.platforms.base import CardRef, Platform, Receipt, Refused, TryLater, Unknown
from db.streams import Piece, Streams, StreamView
from handlers.messages import Address

RESPONSE_URL = "response_url"
APP = "wecom"

NO_WAY = "智能机器人不能主动发消息，这条没有发出去"
PERHAPS = "回复地址已经用过，这条可能已经送达"


@dataclass(frozen=True, slots=True)
class ByApp:
    """A person's direct chat with the tenant's app."""

    app: Platform
    address: Address

    async def send(self, payload: dict[str, Any], card: CardRef | None, key: str) -> Receipt:
        """Send a payload as the app draws it."""
        receipt = Receipt()
        for number, body in enumerate(self.app.render(part_of(payload), card)):
            receipt = await self.app.send(self.address, body, card, key=f"{key}:{number}")
        return receipt


@dataclass(frozen=True, slots=True)
class OtherWays:
    """The ways of one tenant. `app` is its self-built app, if it has one; `open_seal` gives back a response_url."""

    streams: Streams
    http: httpx.AsyncClient
    base_url: str
    open_seal: Callable[[str], str]
    clock: Callable[[], datetime]
    app: Platform | None = None

    def by_app(self, address: Address) -> ByApp | None:
        """Return how the app reaches the person, None without an app or where their id is an encrypted one."""
        if self.app is None or not address.user_id or is_open_id(address.user_id):
            return None
        return ByApp(self.app, Address(APP, f"user:{address.user_id}", address.user_id))

    def likely(self, address: Address) -> bool:
        """Whether there is a way, as far as can be told without trying."""
        return bool(self._url(address)) or self.by_app(address) is not None

    async def send(self, address: Address, payload: dict[str, Any], card: CardRef | None, key: str) -> Receipt:
        """Send one payload; `Refused` when no way is left."""
        by_app = self.by_app(address)
        if payload["msgtype"] == "markdown" or by_app is None:
            receipt = await self._through_url(address, payload, key)
            if receipt is not None:
                return receipt
        if by_app is None:
            raise Refused(NO_WAY)
        return await by_app.send(payload, card, key)

    async def send_all(self, address: Address, pieces: Sequence[Piece], key: str) -> None:
        """Send what a stream holds: in one message where there are only words, else piece by piece by the app."""
        by_app = self.by_app(address)
        only_words = all(piece.payload["msgtype"] == "markdown" for piece in pieces)
        if (only_words or by_app is None) and await self._through_url(address, _together(pieces), key):
            return
        if by_app is None:
            raise Refused(NO_WAY)
        for piece in pieces:
            await by_app.send(piece.payload, _card_of(piece.payload), piece.key)

    def _url(self, address: Address) -> str:
        hints = Hints.of(address)
        if not hints.response_url or self.clock() >= hints.asked + RESPONSE_URL_LIFE:
            return ""
        url = self.open_seal(hints.response_url)
        return url if same_host(url, self.base_url) else ""

    async def _through_url(self, address: Address, payload: dict[str, Any], key: str) -> Receipt | None:
        """Return the receipt, None where this way is closed."""
        url, hints = self._url(address), Hints.of(address)
        if not url:
            return None
        use = Piece(key, {}, RESPONSE_URL)
        handed = await self.streams.hand_over(hints.source, hints.asked, use, _unused)
        if handed == "no":
            return None
        try:
            await post_response(self.http, url, _body(payload, address))
        except TryLater:
            await self.streams.take_back(hints.source, key)
            raise
        except Refused as error:
            if handed == "again":  # an attempt before this one may be what used it up
                raise Unknown(PERHAPS) from error
            return None
        return Receipt(hints.source)


def _unused(view: StreamView, _use: Piece) -> bool:
    return all(piece.way != RESPONSE_URL for piece in view.pieces)


def _body(payload: dict[str, Any], address: Address) -> dict[str, Any]:
    """Return the body of a response; a template card is for single chats only (doc 101138)."""
    if payload["msgtype"] == "template_card" and not address.group:
        return wire_of(payload)
    return {"msgtype": "markdown", "markdown": {"content": cut(words_of(payload))}}


def _together(pieces: Sequence[Piece]) -> dict[str, Any]:
    if len(pieces) == 1:
        return pieces[0].payload
    return {"msgtype": "markdown", "markdown": {"content": "\n\n".join(words_of(one.payload) for one in pieces)}}


def _card_of(payload: dict[str, Any]) -> CardRef | None:
    return CardRef(payload["template_card"]["task_id"]) if payload["msgtype"] == "template_card" else None
