"""What is done with every message and press, whichever way it came: read, committed, counted. No answer is made here.

data → over quota? → decode → receive (commits) → whoever brought it acknowledges
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog

from bot.platforms.dingtalk.decode import OUTSIDER, PLATFORM, decode_message, decode_press, is_over_quota
from bot.platforms.dingtalk.raw import Undecodable
from bot.platforms.services import Services
from handlers.messages import OVER_QUOTA, STALE, Update

log = structlog.get_logger()

# The answer to a press: it changes nothing, because it would be seen by whoever pressed alone; delivery changes the
# card for everybody.
PRESS_TAKEN = {"cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True}}

Receive = Callable[[Update], Awaitable[bool]]


class Arrivals:
    """Takes what DingTalk brings to one tenant's app.

    `receive` commits an update and says whether it is new. What it raises is passed on, so that what was not
    committed is not acknowledged and DingTalk may bring it again.
    """

    def __init__(
        self, tenant: str, receive: Receive, now: Callable[[], datetime], services: Services | None = None
    ) -> None:
        self.over_quota = 0
        self._tenant = tenant
        self._receive = receive
        self._now = now
        self._services = services
        self._log = log.bind(tenant=tenant)

    async def message(self, data: Any) -> None:
        """Return once a robot message is committed."""
        seal = self._services.sealer.seal if self._services else str
        await self._take(data, lambda: decode_message(data, self._tenant, self._now(), seal, self._surely()))

    async def press(self, data: Any, delivery: str) -> None:
        """Return once the press of a card's button is committed; `delivery` is the id of this delivery."""
        await self._take(data, lambda: decode_press(data, self._tenant, self._now(), delivery))

    def _surely(self) -> datetime:
        """Return a moment that has come by every clock: one that was set ahead makes no message too old to answer."""
        return min(self._now(), self._services.steady()) if self._services else self._now()

    async def _take(self, data: Any, decode: Callable[[], Update]) -> None:
        """Commit what can be answered; the rest is acknowledged too, because it would only come again."""
        if is_over_quota(data):
            self.over_quota += 1
            self._log.error("dingtalk.quota_spent", count=self.over_quota)
        elif self._services is not None:
            self._services.count(PLATFORM, "received")
        try:
            update = decode()
        except Undecodable as error:
            self._log.warning("dingtalk.undecodable", field=str(error))
            return
        new = await self._receive(update)
        self._log.info("dingtalk.received", kind=update.kind, new=new)
        if update.kind == "other" and update.note != OVER_QUOTA:
            self._tell_of(update)

    def _tell_of(self, update: Update) -> None:
        """Log what nobody will answer; a type we have never heard of is news, not an error."""
        what = update.note if update.note in (STALE, OUTSIDER) else "new_type"
        self._log.info(f"dingtalk.{what}", note=update.note)
