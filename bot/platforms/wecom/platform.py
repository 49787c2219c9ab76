"""One WeCom app as a `Platform`: callbacks in, messages and card updates out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import structlog

from bot.cards import wecom as cards
from bot.config import WecomSettings
from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused
from bot.platforms.services import Services
from bot.platforms.wecom import verify
from bot.platforms.wecom.answers import Answer, CardExists, CodeSpent
from bot.platforms.wecom.client import WecomApi, new_http
from bot.platforms.wecom.crypto import Envelope
from bot.platforms.wecom.decode import PLATFORM
from bot.platforms.wecom.delivered import Delivered
from handlers.messages import Address, Card, Part

log = structlog.get_logger()

# WeCom drops a second identical message to the same person within this time (doc 90236).
DUPLICATE_CHECK_SECONDS = 1800

CARD_EXPIRED = "卡片已过期"
CARD_ID_USED = "卡片编号已经用过"
BAD_CARD = "卡片不合规（{}）"
NOBODY_REACHED = "收件人不在应用可见范围"


class WecomPlatform(PlainChannel):
    """A self-built app of one tenant; without `services` nothing is shared with other replicas.

    `client` is given by tests; it stays the giver's to close.
    """

    name = PLATFORM

    def __init__(
        self,
        settings: WecomSettings,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        services: Services | None = None,
    ) -> None:
        self._http = client or new_http(settings.base_url)
        self._owns_http = client is None
        self._account = f"wecom:{settings.corp_id}:{settings.agent_id}"
        self._services = services
        store = services.token_store(self._account) if services else None
        secret = settings.secret.get_secret_value()
        self._api = WecomApi(settings.base_url, settings.corp_id, secret, self._http, clock, store)
        token, aes_key = settings.token.get_secret_value(), settings.aes_key.get_secret_value()
        self._envelope = Envelope(token, aes_key, settings.corp_id)
        self._freshness = settings.freshness_seconds
        self._agent_id = settings.agent_id
        self._delivered = Delivered(DUPLICATE_CHECK_SECONDS, clock)

    def open_callback(self, query: Mapping[str, str], body: bytes, now: float) -> bytes:
        """Return the decrypted XML of a callback; `WecomRejected` carries the reason and the HTTP status."""
        return verify.verify(self._envelope, query, body, now, self._freshness)

    def verify_url(self, query: Mapping[str, str], now: float) -> str:
        """Return the body that answers the URL check, exactly; `WecomRejected` otherwise."""
        return verify.verify_url(self._envelope, query, now, self._freshness)

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the message bodies that show this part, in order; pure. `Refused` for a card WeCom would refuse."""
        try:
            return cards.render(part, card)
        except cards.BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return WeCom's limits for one app and one member; beyond them it drops messages silently (doc 90312)."""
        person = f"{self._account}:{address.user_id.casefold()}"
        return Rate(f"{person}:minute", 30, 60), Rate(f"{person}:hour", 1000, 3600)

    def may_repeat(self, part: Part) -> bool:
        """Yes: within 30 minutes WeCom's duplicate check drops a second text, and ever after a card's task id."""
        return True

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one body to the person; after `TryLater` the same call may be repeated safely.

        WeCom's duplicate check is what makes it safe, but it would also swallow the second answer to a question
        asked twice. So it is off for a body already delivered under another `key`, the id of the delivery;
        without a key, any body already delivered counts as sent again on purpose.
        """
        body = {"touser": address.user_id, "agentid": self._agent_id, **payload}
        check = {
            "enable_duplicate_check": 0 if self._delivered.for_another(body, key) else 1,
            "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
        }
        try:
            answer = await self._api.send({**body, **check})
        except CardExists as error:
            return _sent_before(card, error)
        self._delivered.remember(body, key)
        return _receipt(answer, address)

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the card show `content`; `Refused` when no code is left that could change it.

        A click brings a code of its own, the send gave another; each works once, for 72 hours (doc 94888). The
        receipt's handle, where not empty, replaces the card's: the code of the send is used up then.
        """
        shown = _shown(content, card)
        sent_code = str(card.handle.get("response_code") or "")
        click_code = str(address.hints.get("response_code") or "")
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

    async def check(self) -> None:
        """Ask WeCom for an access token; a `SendError` says what is wrong with the account."""
        await self._api.check()

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    async def _update(self, address: Address, code: str, shown: dict[str, Any]) -> tuple[str, ...]:
        body = {
            "userids": _recipients(address),
            "agentid": self._agent_id,
            "response_code": code,
            "template_card": shown,
        }
        return _receipt(await self._api.update_template_card(body), address).refused


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


def _receipt(answer: Answer, address: Address) -> Receipt:
    """Return what became of a message; errcode 0 with every recipient invalid is a refusal (doc 90236)."""
    refused = tuple(user.casefold() for user in answer.users("invaliduser", "unlicenseduser"))
    if refused and set(_recipients(address)) <= set(refused):
        raise Refused(NOBODY_REACHED)
    if refused:
        log.warning("wecom.partly_refused", count=len(refused))
    code = str(answer.body.get("response_code") or "")
    handle = {"response_code": code} if code else {}
    return Receipt(str(answer.body.get("msgid") or ""), refused, handle)


def _recipients(address: Address) -> list[str]:
    return address.user_id.casefold().split("|")
