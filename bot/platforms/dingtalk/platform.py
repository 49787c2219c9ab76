"""One tenant's DingTalk app as the rest of the program sees it.

Text goes to the message's session webhook while that is valid (it costs no token and needs no visible range),
then by the robot API. A card that cannot be shown arrives as Markdown that says which word to reply.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import structlog

from bot.cards.dingtalk import card_params, render
from bot.config import DingtalkSettings
from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused, TryLater
from bot.platforms.dingtalk.client import TIMEOUT, DingtalkClient
from bot.platforms.dingtalk.decode import PLATFORM
from bot.platforms.dingtalk.errors import SessionGone
from bot.platforms.services import Services
from handlers.messages import Address, Card, Part

log = structlog.get_logger()

# A webhook this close to its end is not used any more.
WEBHOOK_MARGIN_SECONDS = 120.0

NOBODY = "不知道发给谁：这个人不在组织里"
NOT_REACHED = "钉钉里没有这个人，或者不在应用的可见范围里"
THROTTLED = "这个人收到的消息太多，钉钉暂时不送"
THROTTLED_SECONDS = 60.0
SENT_AS_TEXT = "这张卡片是以文字发出的，不能更新"


class DingtalkPlatform(PlainChannel):
    """Sends and updates through one robot; without `services` nothing is shared with other replicas.

    `client` is given by tests; it stays the giver's to close.
    """

    name = PLATFORM

    def __init__(
        self,
        settings: DingtalkSettings,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        services: Services | None = None,
    ) -> None:
        self._settings = settings
        self._http = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._owns_http = client is None
        self._clock = clock
        self._account = f"dingtalk:{settings.client_id}"
        self._services = services
        store = services.token_store(self._account) if services else None
        self._client = DingtalkClient(settings, self._http, clock, store)
        self._undelivered: set[str] = set()

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the bodies that show this part; see `bot.cards.dingtalk`."""
        return render(part, card)

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one body of `render`; the receipt of a card that went as text says so in its handle.

        DingTalk drops no doubles by content, so `key` is not needed.
        """
        if payload["type"] == "card":
            return await self._send_card(address, payload)
        return await self._send_markdown(address, payload)

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the card show `content` for everyone who has it."""
        if card.handle.get("fallback"):
            raise Refused(SENT_AS_TEXT)
        await self._client.update_card(card.public_id, card_params(content))
        return Receipt(handle=dict(card.handle))

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the rate of the whole app: the free edition takes 20 calls a second."""
        return (Rate(self._account, self._settings.calls_per_second, 1, shared=True),)

    def may_repeat(self, part: Part) -> bool:
        """Whether an interrupted send may be repeated: only a card carries an id by which DingTalk knows it."""
        return isinstance(part, Card)

    async def check(self) -> None:
        """Ask DingTalk for an access token; a `SendError` says what is wrong with the account."""
        await self._client.check()

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    async def _send_card(self, address: Address, payload: Mapping[str, Any]) -> Receipt:
        """Deliver the card, or its Markdown when DingTalk refuses the card for good.

        An id whose delivery was refused is remembered until its Markdown is out: the card exists by then, and a
        repeat would take "exists already" for "arrived".
        """
        public_id = payload["out_track_id"]
        if public_id not in self._undelivered and (address.user_id or address.group):
            try:
                return Receipt(message_id=await self._client.deliver_card(self._delivery(address, payload)))
            except Refused as refused:
                log.warning("dingtalk.card_as_text", card=public_id, reason=refused.reason)
                self._undelivered.add(public_id)
        receipt = await self._send_markdown(address, payload["fallback"])
        self._undelivered.discard(public_id)
        return replace(receipt, handle={"fallback": "markdown"})

    def _delivery(self, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "cardTemplateId": self._settings.card_template_id,
            "outTrackId": payload["out_track_id"],
            # Without it a click does nothing.
            "callbackType": "STREAM",
            "userIdType": 1,
            "cardData": {"cardParamMap": payload["params"]},
            **(self._group_space(address) if address.group else self._person_space(address, payload)),
        }

    def _group_space(self, address: Address) -> dict[str, Any]:
        return {
            "openSpaceId": f"dtv1.card//IM_GROUP.{address.conversation}",
            # Whoever gets a forwarded card could press its buttons.
            "imGroupOpenSpaceModel": {"supportForward": False},
            "imGroupOpenDeliverModel": {"robotCode": self._settings.robot_code},
        }

    def _person_space(self, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
        listed = {"ZH_CN": payload["params"]["title"]}
        return {
            "openSpaceId": f"dtv1.card//IM_ROBOT.{address.user_id}",
            "imRobotOpenSpaceModel": {"supportForward": False, "lastMessageI18n": listed},
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": self._settings.robot_code},
        }

    async def _send_markdown(self, address: Address, body: Mapping[str, Any]) -> Receipt:
        if webhook := self._usable_webhook(address):
            try:
                await self._client.reply(webhook, body["title"], body["text"])
            except SessionGone:
                log.info("dingtalk.session_gone", conversation=address.conversation)
            else:
                return Receipt()
        if address.group:
            return Receipt(await self._client.send_to_group(address.conversation, body["title"], body["text"]))
        return await self._send_to_person(address.user_id, body)

    async def _send_to_person(self, user_id: str, body: Mapping[str, Any]) -> Receipt:
        if not user_id:
            raise Refused(NOBODY)
        [batch] = await self._client.send_to_users([user_id], body["title"], body["text"])
        if batch.error:
            raise batch.error
        if batch.throttled:
            raise TryLater(THROTTLED, THROTTLED_SECONDS)
        if batch.refused:
            raise Refused(NOT_REACHED)
        return Receipt(batch.message_id)

    def _usable_webhook(self, address: Address) -> str:
        webhook, expires = address.hints.get("sessionWebhook"), address.hints.get("sessionWebhookExpiredTime")
        if not isinstance(webhook, str) or not isinstance(expires, int | float):
            return ""
        return webhook if self._clock() < expires / 1000 - WEBHOOK_MARGIN_SECONDS else ""
