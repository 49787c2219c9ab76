"""The way of a card: delivered once, or said as Markdown, and never reported as delivered when it was not.

    createAndDeliver ─→ delivered
                     ├→ refused (template, permission, not delivered) ─→ written down ─→ Markdown
                     ├→ the answer is lost ─→ tried again ─→ "exists already" ─→ unknown
                     └→ throttled, their side ─→ tried again, nothing was created

The call is idempotent in creating: a second one is told that the card exists, not whether it was shown. So what this
process learns about a delivery that failed stands in the card's handle before the Markdown goes out; a process that
dies in between leaves the next one the truth. Where nobody ever saw the answer it is unknown, and a person decides.

Two other ways were weighed. Creating and delivering in two calls makes every card cost two of the month's calls, and
the second has no key: repeated, it shows the card twice. Another outTrackId for every attempt shows two cards of which
only one is updated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bot.cards.dingtalk_card import READY_TEMPLATE, for_own_template
from bot.config import DingtalkSettings
from bot.platforms.base import CardRef, Receipt, Refused, Unknown
from bot.platforms.dingtalk.cards import DingtalkCards
from bot.platforms.dingtalk.errors import CardExists
from bot.platforms.services import Services
from db.models import CardRow
from handlers.messages import Address

log = structlog.get_logger()

GONE = (SQLAlchemyError, OSError, TimeoutError)
FALLBACK = {"fallback": "markdown"}
DELIVERY_UNKNOWN = "卡片已经建好，是否送达未知"
SENT_AS_TEXT = "这张卡片是以文字发出的，不能更新"

SendMarkdown = Callable[[Address, dict[str, Any]], Awaitable[Receipt]]


class CardSender:
    """Delivers cards and changes them; `send_markdown` says one in words."""

    def __init__(
        self,
        settings: DingtalkSettings,
        cards: DingtalkCards,
        send_markdown: SendMarkdown,
        services: Services | None,
    ) -> None:
        self._settings = settings
        self._cards = cards
        self._send_markdown = send_markdown
        self._services = services

    async def send(self, address: Address, payload: Mapping[str, Any], card: CardRef | None) -> Receipt:
        """Deliver the card, or its Markdown when DingTalk refuses it for good; the handle says which."""
        refused_before = card is not None and bool(card.handle.get("fallback"))
        if not refused_before and (address.user_id or address.group):
            try:
                return Receipt(message_id=await self._deliver(address, payload))
            except CardExists as exists:
                raise Unknown(DELIVERY_UNKNOWN) from exists
            except Refused as refused:
                log.warning("dingtalk.card_as_text", card=payload["out_track_id"], reason=refused.reason)
                await self._write_down(payload["out_track_id"])
        return replace(await self._send_markdown(address, payload["fallback"]), handle=dict(FALLBACK))

    async def update(self, params: Mapping[str, str], card: CardRef) -> Receipt:
        """Give the card new contents for everyone who has it; `Refused` for one that went as text."""
        if card.handle.get("fallback"):
            raise Refused(SENT_AS_TEXT)
        await self._cards.update(card.public_id, self._params(params))
        return Receipt(handle=dict(card.handle))

    async def _deliver(self, address: Address, payload: Mapping[str, Any]) -> str:
        params, template = payload["params"], self._settings.card_template_id
        return await self._cards.deliver(
            address, payload["out_track_id"], template, self._params(params), listed=params["title"]
        )

    def _params(self, params: Mapping[str, str]) -> Mapping[str, str]:
        ready = self._settings.card_template_id == READY_TEMPLATE
        return params if ready else for_own_template(params)

    async def _write_down(self, public_id: str) -> None:
        """Note in the card's row that it was not delivered; while the database is gone, a retry ends as unknown."""
        if self._services is None:
            return
        query = select(CardRow).where(CardRow.tenant_id == self._services.tenant_id, CardRow.public_id == public_id)
        try:
            async with self._services.database.write() as session:
                row = (await session.scalars(query.with_for_update())).one_or_none()
                if row is not None:
                    row.handle = {**row.handle, **FALLBACK}
        except GONE as error:
            log.warning("dingtalk.refusal_not_kept", card=public_id, error=type(error).__name__)
