"""One tenant's DingTalk app as the rest of the program sees it.

Text goes to the message's session webhook while that is valid (it costs no token and needs no visible range),
then by the robot API. A card that cannot be shown arrives as Markdown that says which word to reply.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from bot.cards.dingtalk import render
from bot.cards.dingtalk_card import card_params
from bot.cards.picture import TablePictures
from bot.config import DingtalkSettings
from bot.platforms.base import CardRef, LiveText, PlainChannel, Rate, Receipt, SendError
from bot.platforms.dingtalk.arrivals import Arrivals, Receive
from bot.platforms.dingtalk.calls import TIMEOUT, DingtalkCalls
from bot.platforms.dingtalk.card_sender import CardSender
from bot.platforms.dingtalk.cards import DingtalkCards
from bot.platforms.dingtalk.contacts import DingtalkContacts
from bot.platforms.dingtalk.decode import PLATFORM, one_to_one
from bot.platforms.dingtalk.live import LiveCards
from bot.platforms.dingtalk.media import DingtalkMedia
from bot.platforms.dingtalk.robot import USERS_PER_CALL, DingtalkRobot
from bot.platforms.dingtalk.sender import Sender
from bot.platforms.dingtalk.verify import card_secret, verify_message, verify_press
from bot.platforms.services import Services
from handlers.messages import Address, Card, Part


class DingtalkPlatform(PlainChannel):
    """Sends and updates through one robot; without `services` nothing is shared with other replicas.

    `client` is given by tests; it stays the giver's to close. Without `pictures` every table is a list.
    """

    name = PLATFORM
    batch = USERS_PER_CALL

    def __init__(
        self,
        settings: DingtalkSettings,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        services: Services | None = None,
        pictures: TablePictures | None = None,
    ) -> None:
        self.tenant = services.tenant if services else ""
        self._settings = settings
        self._services = services
        self._pictures = pictures
        self._http = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._owns_http = client is None
        self._account = f"{PLATFORM}:{settings.client_id}"
        self._calls = self._open_calls(clock)
        self._cards = DingtalkCards(settings, self._calls, f"daogou-{self.tenant}")
        cache = services.media if services else None
        self._media = DingtalkMedia(settings, self._calls, self._http, self._account, cache)
        unseal = services.sealer.open if services else str
        self._sender = Sender(DingtalkRobot(settings, self._calls), self._media, clock, unseal, pictures)
        self._card_sender = CardSender(settings, self._cards, self._sender.send, services)
        self._contacts = DingtalkContacts(self._calls, clock)
        self._live = LiveCards(settings, self._cards, services) if services and settings.streaming_card else None

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the payloads that show this part; see `bot.cards.dingtalk`."""
        return render(part, card, self._pictures)

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one payload of `render`; the receipt of a card that went as text says so in its handle.

        `key` finds the card on which a text was shown while it was written; the text ends it.
        """
        if payload["type"] == "card":
            return await self._card_sender.send(address, payload, card)
        if payload.get("streamed") and self._live and await self._live.finish(key, payload["text"]):
            return Receipt()
        return await self._sender.send(address, payload)

    async def send_many(
        self, addresses: Sequence[Address], payload: dict[str, Any], *, key: str = ""
    ) -> Mapping[str, Receipt | SendError]:
        """Send one payload to at most 20 people in one call; return what became of it by user id."""
        return await self._sender.send_many([address.user_id for address in addresses], payload)

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the card show `content` for everyone who has it."""
        return await self._card_sender.update(card_params(content), card)

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the rate of the whole app: the free edition takes 20 calls a second."""
        return (Rate(self._account, self._settings.calls_per_second, 1, shared=True),)

    def direct(self, address: Address) -> Address | None:
        """Return where the person is reached alone: the robot may write to everybody in the app's visible range."""
        if not address.group:
            return address
        return Address(PLATFORM, one_to_one(address.user_id), address.user_id) if address.user_id else None

    def live(self, address: Address, key: str) -> LiveText | None:
        """Return a text shown on a streaming card, where the tenant wants to pay for its steps."""
        if self._live is None or not (address.group or address.user_id):
            return None
        return self._live.text(address, key)

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Whether an interrupted send may be repeated: only a card carries an id by which DingTalk knows it."""
        return isinstance(part, Card)

    @property
    def called_by_http(self) -> bool:
        """Whether DingTalk calls us at our address instead of by Stream."""
        return not self._settings.stream

    def arrivals(self, receive: Receive) -> Arrivals:
        """Return what takes the messages and presses that come to our address; needs `services`."""
        if self._services is None:
            raise ValueError("arrivals need services")
        return Arrivals(self.tenant, receive, self._services.clock, self._services)

    def verify_message(self, headers: Mapping[str, str], now: float) -> None:
        """Raise `DingtalkRejected` unless this app's DingTalk sent the request of a robot message."""
        verify_message(headers, self._settings.client_secret.get_secret_value(), now)

    def verify_press(self, headers: Mapping[str, str], now: float) -> str:
        """Return the timestamp of a press that DingTalk signed with the secret we registered, or raise."""
        return verify_press(headers, card_secret(self._settings.client_secret.get_secret_value()), now)

    async def register_card_callback(self, url: str) -> None:
        """Have presses of our cards sent to this address; a `SendError` says why DingTalk would not."""
        await self._cards.register_callback(url)

    async def sweep(self) -> None:
        """End the streaming cards that nobody ends any more, whichever process began them."""
        if self._live is not None:
            await self._live.sweep()

    async def mobile_of(self, user_id: str) -> str | None:
        """Return a person's mobile number, None where the app is not told it; `SendError` when it cannot ask."""
        return await self._contacts.mobile_of(user_id)

    async def user_id_of(self, mobile: str) -> str | None:
        """Return whose mobile number this is, None for nobody's; `SendError` when it cannot be asked."""
        return await self._contacts.user_id_of(mobile)

    async def download(self, reference: str) -> bytes:
        """Return what a person sent, by the reference of the attachment."""
        return await self._media.fetch(reference)

    async def check(self) -> None:
        """Ask DingTalk for an access token; a `SendError` says what is wrong with the account."""
        await self._calls.check()

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    def _open_calls(self, clock: Callable[[], float]) -> DingtalkCalls:
        services = self._services
        if services is None:
            return DingtalkCalls(self._settings, self._http, clock)
        store = services.token_store(self._account)
        return DingtalkCalls(self._settings, self._http, clock, store, lambda: services.count(PLATFORM, "calls"))
