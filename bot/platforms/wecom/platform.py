"""One WeCom app as a `Platform`: callbacks in, messages and card updates out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog

from bot.cards import wecom as cards
from bot.cards.picture import TablePictures
from bot.config import WecomSettings
from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused, SendError
from bot.platforms.services import Services
from bot.platforms.wecom import verify
from bot.platforms.wecom.answers import CardExists, CodeSpent
from bot.platforms.wecom.client import WecomApi
from bot.platforms.wecom.contacts import Contacts
from bot.platforms.wecom.crypto import Envelope
from bot.platforms.wecom.decode import PLATFORM, decode
from bot.platforms.wecom.delivered import Delivered
from bot.platforms.wecom.outcome import Outcome, recipients
from bot.platforms.wecom.sender import DUPLICATE_CHECK_SECONDS, Sender
from bot.platforms.wecom.uploads import Upload, Uploads
from bot.platforms.wecom.wire import Wire, new_http
from db.outbox import sent_lately
from handlers.codec import dump_part
from handlers.messages import Address, Card, Part, Update

log = structlog.get_logger()

# A call takes 1000 recipients (doc 90236); a hundred keep one refused call from being everybody's.
BATCH = 100

CARD_EXPIRED = "卡片已过期"
CARD_ID_USED = "卡片编号已经用过"
BAD_CARD = "卡片不合规（{}）"


class WecomPlatform(PlainChannel):
    """A self-built app of one tenant; without `services` nothing is shared with other replicas.

    `client` is given by tests; it stays the giver's to close. Without `pictures` every table becomes lines.
    """

    name = PLATFORM
    batch = BATCH

    def __init__(
        self,
        settings: WecomSettings,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        services: Services | None = None,
        pictures: TablePictures | None = None,
    ) -> None:
        self._http = client or new_http(settings.base_url)
        self._owns_http = client is None
        self._account = f"wecom:{settings.corp_id}:{settings.agent_id}"
        self._services = services
        self._pictures = pictures
        store = services.token_store(self._account) if services else None
        secret = settings.secret.get_secret_value()
        wire = Wire(settings.base_url, self._http, self._count)
        self._api = WecomApi(wire, settings.corp_id, secret, clock, store)
        token, aes_key = settings.token.get_secret_value(), settings.aes_key.get_secret_value()
        self._envelope = Envelope(token, aes_key, settings.corp_id)
        self._freshness = settings.freshness_seconds
        self._agent_id = settings.agent_id
        self._contacts = Contacts(self._api, clock)
        # Every app of the corp may use what one of them uploaded (doc 90253).
        uploads = Uploads(self._upload, f"wecom:{settings.corp_id}", services.media if services else None)
        delivered = Delivered(DUPLICATE_CHECK_SECONDS, clock, services)
        self._sender = Sender(self._api, settings.agent_id, uploads, delivered, pictures)

    def open_callback(self, query: Mapping[str, str], body: bytes, now: float) -> bytes:
        """Return the decrypted XML of a callback; `WecomRejected` carries the reason and the HTTP status."""
        return verify.verify(self._envelope, query, body, now, self._freshness)

    def read_callback(self, query: Mapping[str, str], body: bytes, tenant: str, now: datetime) -> Update | None:
        """Return what a callback says, None for what nobody is answered for; `WecomRejected` as above."""
        return decode(self.open_callback(query, body, now.timestamp()), tenant, now, self._seal)

    def verify_url(self, query: Mapping[str, str], now: float) -> str:
        """Return the body that answers the URL check, exactly; `WecomRejected` otherwise."""
        return verify.verify_url(self._envelope, query, now, self._freshness)

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the message bodies that show this part, in order; pure. `Refused` for a card WeCom would refuse."""
        try:
            return cards.render(part, card, self._pictures)
        except cards.BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return WeCom's limits for one app and one member; beyond them it drops messages silently (doc 90312)."""
        person = f"{self._account}:{address.user_id.casefold()}"
        return Rate(f"{person}:minute", 30, 60), Rate(f"{person}:hour", 1000, 3600)

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Yes: within 30 minutes WeCom's duplicate check drops a second text, and ever after a card's task id.

        Except for the same answer given twice on purpose: the check was off for it.
        """
        if isinstance(part, Card) or self._services is None:
            return True
        return not await _given_before(self._services, part, address, key)

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one body to the person; after `TryLater` the same call may be repeated safely.

        WeCom's duplicate check is what makes it safe, but it would also swallow the second answer to a question
        asked twice. So it is off for a body already delivered under another `key`, the id of the delivery;
        without a key, any body already delivered counts as sent again on purpose.

        What the payload wants uploaded is uploaded first, and its media id takes the place of the bytes in the
        payload itself: so the row that records it holds what travelled and no picture.
        """
        try:
            outcome = await self._sender.send(recipients(address), payload, key)
        except CardExists as error:
            return _sent_before(card, error)
        receipt = outcome.receipt(recipients(address), self._seal)
        if receipt.refused:
            log.warning("wecom.partly_refused", count=len(receipt.refused))
        return receipt

    async def send_many(
        self, addresses: Sequence[Address], payload: dict[str, Any], *, key: str = ""
    ) -> Mapping[str, Receipt | SendError]:
        """Send one body to up to a hundred people; return what became of it by user id.

        `key` names the message, whatever batches it is sent in: so WeCom drops what a repeated batch has brought
        already. An error of the whole call counts for each of them.
        """
        return await self._sender.send_many(addresses, payload, key)

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the card show `content`; `Refused` when no code is left that could change it.

        A click brings a code of its own, the send gave another; each works once, for 72 hours (doc 94888). The
        receipt's handle, where not empty, replaces the card's: the code of the send is used up then.
        """
        shown = _shown(content, card)
        sent_code = self._open(card.handle.get("response_code"))
        click_code = self._open(address.hints.get("response_code"))
        error = Refused(CARD_EXPIRED)
        for code in filter(None, dict.fromkeys((click_code, sent_code))):
            try:
                refused = await self._update(address, code, shown)
            except Refused as refusal:
                log.info("wecom.card_not_updated", card=card.public_id, reason=refusal.reason)
                error = Refused(CARD_EXPIRED) if isinstance(refusal, CodeSpent) else refusal
            else:
                return Receipt(refused=refused, handle={"response_code": ""} if code == sent_code else {})
        raise error

    async def mobile_of(self, user_id: str) -> str | None:
        """Return the member's mobile number; None where the app may not see it. Asked once in some hours."""
        return (await self._contacts.member(user_id)).mobile or None

    async def user_id_of(self, mobile: str) -> str | None:
        """Return whose number this is, None for nobody's; `RateLimited` after too many wrong ones in an hour."""
        return await self._contacts.user_id_of(mobile)

    async def plain_user_ids(self, open_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the plain user ids of those encrypted ones that have one (doc 101521)."""
        return await self._contacts.plain_user_ids(open_ids)

    async def create_menu(self, menu: Mapping[str, Any]) -> None:
        """Give the app this menu; a `SendError` says why not."""
        await self._api.create_menu(self._agent_id, menu)

    async def menu(self) -> Mapping[str, Any]:
        """Return the app's menu."""
        return (await self._api.menu(self._agent_id)).body

    async def delete_menu(self) -> None:
        """Take the app's menu away."""
        await self._api.delete_menu(self._agent_id)

    async def check(self) -> None:
        """Ask WeCom for an access token; a `SendError` says what is wrong with the account."""
        await self._api.check()

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    async def _upload(self, upload: Upload) -> str:
        return await self._api.upload(upload.kind, upload.file())

    async def _update(self, address: Address, code: str, shown: dict[str, Any]) -> tuple[str, ...]:
        body = {
            "userids": recipients(address),
            "agentid": self._agent_id,
            "response_code": code,
            "template_card": shown,
        }
        outcome = Outcome.of(await self._api.update_template_card(body))
        return outcome.receipt(recipients(address), self._seal).refused

    def _count(self) -> None:
        if self._services:
            self._services.count(PLATFORM, "calls")

    def _seal(self, code: str) -> str:
        """Return a response code fit to be stored: whoever has one may change the card."""
        return self._services.sealer.seal(code) if self._services else code

    def _open(self, sealed: Any) -> str:
        """Return the code again, "" when there is none or it was sealed with another key."""
        code = str(sealed or "")
        return self._services.sealer.open(code) if self._services and code else code


async def _given_before(services: Services, part: Part, address: Address, key: str) -> bool:
    """Whether another row gave this chat the same part within the time of the duplicate check."""
    since = services.clock() - timedelta(seconds=DUPLICATE_CHECK_SECONDS)
    sent = await sent_lately(services.database, services.tenant_id, PLATFORM, [address.conversation], since)
    return any(one.message == dump_part(part) and one.dedupe_key != key for one in sent)


def _shown(content: Card, card: CardRef) -> dict[str, Any]:
    try:
        return cards.render_update(content, card)
    except cards.BadCard as error:
        raise Refused(BAD_CARD.format(error)) from error


def _sent_before(card: CardRef | None, error: CardExists) -> Receipt:
    """Return the receipt of an attempt whose answer never came.

    The task id is ours alone and the card was checked before it went out, so "exists" means that it arrived, as
    long as no earlier receipt says that this id had already been sent. Its response code is lost; the click
    brings another.
    """
    if card is None or "response_code" in card.handle:
        raise Refused(CARD_ID_USED) from error
    log.warning("wecom.card_sent_before", card=card.public_id)
    return Receipt(handle={"response_code": ""})
