"""The answer to a press: the whole card as it is after it, within the five seconds WeCom waits (docs 101027, 101031).

committed → wait for its result, 4.2 s at most
    the card changed     → claim its update from the outbox, answer with the card, settle the update
    only words came      → an empty answer; the words go their own way
    nothing came yet     → the card with a line that it is being worked on; the result comes as a message
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from bot.cards.aibot import render_update
from bot.cards.aibot_card import FINISHED_KEY, BadCard
from bot.platforms.aibot.decode import PLATFORM
from bot.platforms.base import CardRef
from bot.platforms.services import Services
from db.cards import find_card
from db.engine import Database
from db.progress import (
    CardUpdate,
    Question,
    claim_card_update,
    end_card_update,
    find_question,
    release_card_update,
)
from handlers.codec import load_card
from handlers.messages import Card, Press, Update

log = structlog.get_logger()

WORKING = "正在处理…"
NOT_ANSWERED = "点按时没能更新卡片"


@dataclass(frozen=True, slots=True)
class Answer:
    """The body that answers a callback, None for an empty one; `instead` is the outbox row it takes the place of."""

    frame: dict[str, Any] | None = None
    instead: CardUpdate | None = None


@dataclass(frozen=True, slots=True)
class PressTiming:
    """Seconds: how long a result is waited for, and how often it is looked for."""

    wait: float = 4.2
    step: float = 0.06


IN_TIME = PressTiming()


@dataclass(frozen=True, slots=True)
class Presses:
    """Answers the presses of one tenant's bot. `owner` names this process, `steady` is what leases go by."""

    database: Database
    tenant_id: int
    owner: str
    clock: Callable[[], datetime]
    steady: Callable[[], datetime]
    timing: PressTiming = IN_TIME

    @classmethod
    def of(cls, services: Services, timing: PressTiming = IN_TIME) -> Presses:
        """Return what answers a tenant's presses in this process."""
        return cls(services.database, services.tenant_id, services.owner, services.clock, services.steady, timing)

    async def answer(self, update: Update, press: Press) -> Answer:
        """Return the card after a press that has been committed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timing.wait
        while loop.time() < deadline:
            question = await find_question(self.database, self.tenant_id, PLATFORM, update.dedupe_key)
            if question is not None and question.done:
                return await self._result(question, press)
            await asyncio.sleep(self.timing.step)
        log.info("aibot.press_late", card=press.card)
        return Answer(await self._shown(press, WORKING))

    async def as_it_stands(self, press: Press) -> Answer:
        """Return the card for a press that asks for nothing."""
        return Answer(await self._shown(press))

    async def settle(self, answer: Answer, *, sent: bool) -> None:
        """Write down whether an answer in the place of an update has gone out; if not, delivery has the update."""
        claimed = answer.instead
        if claimed is None or answer.frame is None:
            return
        if sent:
            card = answer.frame["template_card"]["task_id"]
            await end_card_update(self.database, claimed, self.owner, card, self.clock())
        else:
            await release_card_update(self.database, claimed, self.owner, NOT_ANSWERED, self.steady())

    async def _result(self, question: Question, press: Press) -> Answer:
        shown = await self._shown(press)
        if shown is None:
            return Answer()
        found = await claim_card_update(self.database, question, PLATFORM, self.owner, self.steady())
        if found is None:
            return Answer()
        return Answer(shown, found if found.ours else None)

    async def _shown(self, press: Press, state: str = "") -> dict[str, Any] | None:
        """Return the update of the card as its row says it is; a `state` is put on it while it can be pressed."""
        async with self.database.read() as session:
            row = await find_card(session, self.tenant_id, press.card)
        if row is None:
            return None
        card = load_card(row.content)
        return _update_of(replace(card, state=state) if state and card.buttons else card, CardRef(row.public_id))


def asks_for_nothing(press: Press) -> bool:
    """Whether the button of a finished card was pressed."""
    return press.button == FINISHED_KEY


def _update_of(card: Card, ref: CardRef) -> dict[str, Any] | None:
    try:
        shown = render_update(card, ref)
    except BadCard as error:
        log.error("aibot.bad_card", card=ref.public_id, fault=str(error))
        return None
    # No user ids: everybody who has the card sees what became of it.
    return {"response_type": "update_template_card", "userids": [], "template_card": shown}
