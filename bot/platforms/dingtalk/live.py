"""Text that is shown on a streaming card while it is written.

    show ─→ noted down ─→ card created and delivered ─→ the text so far, every 0.8 s at most ─→ send ends the card

Each step is one call of the month's quota, so this is off unless it is asked for. Whatever fails, the text still goes:
as a message, by the same send that would have ended the card. A card that nobody ends, because the process died or
DingTalk did not take the last step, is ended by a sweep.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.cards.dingtalk_markdown import streamed
from bot.config import DingtalkSettings
from bot.platforms.base import RateLimited, Refused, SendError, TryLater
from bot.platforms.dingtalk.cards import DingtalkCards, Frame
from bot.platforms.dingtalk.live_rows import PREFIX, LiveCard, LiveRows
from bot.platforms.services import Services
from handlers.messages import Address

log = structlog.get_logger()

# The rhythm of DingTalk's own channel SDK: quicker than that, and the card shows 「内容加载失败」.
BETWEEN_STEPS = timedelta(seconds=0.8)
AFTER_DELIVERY = timedelta(seconds=0.5)
SECOND = timedelta(seconds=1)
SHOWN_CHARS = 3_000
# A card without an end for as long is nobody's any more; the longest answer takes half a minute.
LEFT_AFTER = timedelta(minutes=10)
FORGOTTEN_AFTER = timedelta(days=1)
LAST_STEPS = 2
# Of the app's calls a second, what the steps of all texts may take.
LIVE_SHARE = 3

NOT_FINISHED = "（这条没有写完，请看后面的消息）"
LISTED = "正在回答…"
GONE = (SQLAlchemyError, OSError, TimeoutError)

# The AI card of the public template; values are texts, and what is none is JSON in one.
NEW_CARD = {
    "flowStatus": "1",
    "msgContent": "",
    "staticMsgContent": "",
    "sys_full_json_obj": '{"order": ["msgContent"]}',
    "config": '{"autoLayout": true}',
}


class Pace:
    """At most `most` steps a second for all texts of this process; a step that finds none left is skipped."""

    def __init__(self, most: int, steady: Callable[[], datetime]) -> None:
        self._most = most
        self._steady = steady
        self._taken: deque[datetime] = deque()

    def take(self) -> bool:
        """Take a step if there is one."""
        now = self._steady()
        while self._taken and self._taken[0] <= now - SECOND:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return False
        self._taken.append(now)
        return True


class LiveCards:
    """The streaming cards of one app."""

    def __init__(self, settings: DingtalkSettings, cards: DingtalkCards, services: Services) -> None:
        self.rows = LiveRows(services)
        self.steady = services.steady
        self.pace = Pace(max(1, settings.calls_per_second // LIVE_SHARE), services.steady)
        self._settings = settings
        self._cards = cards
        self._services = services

    def text(self, address: Address, key: str) -> LiveCardText:
        """Return a text to be shown to this address and ended by the send of `key`."""
        return LiveCardText(self, address, card_id(key))

    async def create(self, address: Address, public_id: str) -> bool:
        """Return whether the card is in front of somebody; raises a `SendError` when it is not."""
        card = await self.rows.open(public_id)
        if card.delivered or card.state != "open":
            return card.state == "open"
        template = self._settings.streaming_template_id
        await self._cards.deliver(address, public_id, template, NEW_CARD, listed=LISTED)
        await self.rows.delivered(public_id)
        return True

    async def step(self, public_id: str, text: str) -> None:
        """Show the text so far."""
        shown = streamed(text)[:SHOWN_CHARS]
        await self._cards.stream(Frame(public_id, uuid.uuid4().hex, shown))
        await self.rows.shows(public_id, shown)

    async def finish(self, key: str, text: str) -> bool:
        """End the card of this delivery with its whole text; False when there is none and the text must be sent.

        May be called again: the last step has one guid for each delivery.
        """
        card = await self._known(card_id(key))
        if card is None or card.state == "switched" or not card.delivered:
            return False
        if card.state == "closed":
            return True
        return await self._end(card.public_id, text) and await self.rows.end(card.public_id, "closed")

    async def sweep(self) -> None:
        """End the cards that nobody ends any more."""
        for card in await self.rows.left_open(self._services.clock() - LEFT_AFTER):
            await self._give_up(card)

    async def _known(self, public_id: str) -> LiveCard | None:
        """Return what is known of a card; while the database is gone, the text goes as a message."""
        try:
            return await self.rows.find(public_id)
        except GONE as error:
            log.warning("dingtalk.live_unknown", error=type(error).__name__)
            return None

    async def _end(self, public_id: str, text: str) -> bool:
        """Write the whole text, trying again at once; False when the text must go another way."""
        last = Frame(public_id, _last_guid(public_id), streamed(text), last=True)
        for attempt in range(LAST_STEPS):
            try:
                await self._cards.stream(last)
            except RateLimited:
                raise
            except TryLater as error:
                log.info("dingtalk.live_not_ended", card=public_id, attempt=attempt, reason=error.reason)
            except Refused as error:
                log.warning("dingtalk.live_refused", card=public_id, reason=error.reason)
                return False
            else:
                return True
        return False

    async def _give_up(self, card: LiveCard) -> None:
        """End a card with what it shows and a note; one that DingTalk does not know was never seen."""
        text = f"{card.live}\n\n{NOT_FINISHED}" if card.live else NOT_FINISHED
        try:
            await self._cards.stream(Frame(card.public_id, f"{_last_guid(card.public_id)}-left", text, last=True))
        except Refused as error:
            log.info("dingtalk.live_not_there", card=card.public_id, reason=error.reason)
        except TryLater as error:
            if self._services.clock() - card.opened_at < FORGOTTEN_AFTER:
                return
            log.warning("dingtalk.live_forgotten", card=card.public_id, reason=error.reason)
        await self.rows.end(card.public_id, "switched")
        log.info("dingtalk.live_given_up", card=card.public_id)


class LiveCardText:
    """One text on its card; `show` raises nothing and gives up for good at the first thing that goes wrong."""

    def __init__(self, cards: LiveCards, address: Address, public_id: str) -> None:
        self._cards = cards
        self._address = address
        self._public_id = public_id
        self._created = self._dead = False
        self._next_at: datetime | None = None

    async def show(self, text: str) -> None:
        """Show the whole text so far, if its time has come."""
        if self._dead or not text.strip() or not self._is_time() or not self._cards.pace.take():
            return
        try:
            await self._show(text)
        except RateLimited:
            self._wait(BETWEEN_STEPS)
        except (SendError, *GONE) as error:
            self._dead = True
            log.warning("dingtalk.live_failed", card=self._public_id, error=type(error).__name__)

    async def _show(self, text: str) -> None:
        if not self._created:
            self._dead = not await self._cards.create(self._address, self._public_id)
            self._created = True
            self._wait(AFTER_DELIVERY)
            return
        await self._cards.step(self._public_id, text)
        self._wait(BETWEEN_STEPS)

    def _is_time(self) -> bool:
        return self._next_at is None or self._cards.steady() >= self._next_at

    def _wait(self, length: timedelta) -> None:
        self._next_at = self._cards.steady() + length


def card_id(key: str) -> str:
    """Return the outTrackId of the card on which the text of this delivery is shown."""
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:32]


def _last_guid(public_id: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, public_id).hex
