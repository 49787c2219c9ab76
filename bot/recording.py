"""What an answer leaves behind, in the transaction that finishes its inbox row.

    conversation and its log · cards and the audit of presses · feedback · outbox rows

An answer that concerns one person alone, asked for in a group, is queued for their own chat; the group is told
only that. A refused press is nobody else's business either.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering import Answered
from bot.channels import Channels
from bot.platforms.base import LiveText
from db import outbox
from db.cards import change_card, new_card
from db.conversations import log_message, touch_conversation
from db.feedback import log_feedback
from db.inbox import ClaimedUpdate
from db.models import CardRow, Conversation
from db.presses import Press, log_press
from handlers.codec import dump_address, dump_part
from handlers.messages import Address, Card, GivenFeedback, Part, Text
from handlers.plain import as_text
from handlers.turn import PressedCard

TOLD_ALONE = "已经私聊发给您了。"
ASK_ALONE = "这件事涉及会员或个人，请私聊我再问一次。"
PRESS_LOG = "[按钮] {action}"
REFUSED = "refuse"
# An answer that comes later than this helps nobody; it ends as expired.
REPLY_WORTH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Target:
    """Where an answer goes, what is said there, and what that chat is to remember."""

    address: Address
    parts: Sequence[Part]
    remember: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Writing:
    """One answer being written: what every line of it needs."""

    session: AsyncSession
    row: ClaimedUpdate
    answered: Answered
    now: datetime
    worth_until: datetime

    @property
    def staff_id(self) -> int | None:
        """Who asked."""
        return self.answered.person.staff_id if self.answered.person else None


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes answers. `clock` tells the time of day, `steady` is what pauses go by."""

    channels: Channels
    clock: Callable[[], datetime]
    steady: Callable[[], datetime]

    async def record(
        self, session: AsyncSession, row: ClaimedUpdate, answered: Answered, parts: Sequence[Part]
    ) -> None:
        """Write everything that follows from an answer; `parts` are the settled parts of its reply."""
        # A clock that is an hour slow and is put right a moment later must not make the answer too old.
        now, latest = self.clock(), max(self.clock(), self.steady())
        writing = Writing(session, row, answered, now, latest + REPLY_WORTH)
        if answered.update.feedback is not None:
            await _write_feedback(writing, answered.update.feedback)
            return
        numbers = itertools.count()
        for number, target in enumerate(self.targets(row.tenant_id, answered, parts)):
            conversation = await _converse(writing, target, asked_here=number == 0)
            for part in target.parts:
                await _queue_part(writing, conversation, target.address, part, next(numbers))
        if answered.pressed is not None and answered.pressed.card_id:
            await self._write_press(writing, answered.pressed, parts)

    def targets(self, tenant_id: int, answered: Answered, parts: Sequence[Part]) -> list[Target]:
        """Return who is told what: one place, or a group and the asker's own chat."""
        address, reply = answered.update.address, answered.reply
        if not (address.group and parts and (reply.private or answered.pressed is not None)):
            return [Target(address, parts, reply.remember)]
        alone = self.alone(tenant_id, address)
        if alone is None:
            return [Target(address, [Text(ASK_ALONE)])]
        note = [] if answered.pressed is not None else [Text(TOLD_ALONE)]
        return [Target(address, note), Target(alone, parts, reply.remember)]

    def live(self, row: ClaimedUpdate, answered: Answered, number: int) -> LiveText | None:
        """Return where part `number` of an answer is shown while it is written, None where it is not."""
        address = answered.update.address
        platform = self.channels.get((row.tenant_id, address.platform))
        if platform is None or (address.group and answered.reply.private):
            return None
        return platform.live(address, f"{reply_key(row, number)}:0")

    def alone(self, tenant_id: int, address: Address) -> Address | None:
        """Return the own chat of the person behind an address, None where nothing reaches it."""
        platform = self.channels.get((tenant_id, address.platform))
        return platform.direct(address) if platform else None

    async def _write_press(self, writing: Writing, pressed: PressedCard, parts: Sequence[Part]) -> None:
        """Change the pressed card, have the change shown, and write down who did it; or who was refused."""
        session, reply = writing.session, writing.answered.reply
        card = await session.get_one(CardRow, pressed.card_id, with_for_update=True)
        if reply.card is None:
            if reply.intent == REFUSED:
                await _log_press(writing, pressed, card, "refused", as_text(parts))
            return
        content = dump_part(reply.card)
        if content != card.content:
            change_card(card, content, writing.now)
            await _log_press(writing, pressed, card, "changed", reply.card.state)
        await self._queue_card_update(writing, card, content)

    async def _queue_card_update(self, writing: Writing, card: CardRow, content: dict[str, Any]) -> None:
        """Queue what shows the card as it is now; where the press itself is answered with it, that goes first."""
        row, address = writing.row, writing.answered.update.address
        platform = self.channels.get((row.tenant_id, address.platform))
        hold = platform.update_hold if platform else timedelta(0)
        message = outbox.NewMessage(
            tenant_id=row.tenant_id,
            platform=address.platform,
            kind="card_update",
            dedupe_key=f"card:{row.id}",
            conversation_key=address.conversation,
            address=dump_address(address),
            message=content,
            card_id=card.id,
            inbox_id=row.id,
            not_before=self.steady() + hold if hold else None,
            expire_at=writing.worth_until,
        )
        await outbox.queue(writing.session, message, writing.now)


async def _converse(writing: Writing, target: Target, *, asked_here: bool) -> Conversation:
    """Touch a chat and write down what was said in it."""
    address, answered = target.address, writing.answered
    conversation = await touch_conversation(
        writing.session,
        writing.row.tenant_id,
        address.platform,
        address.conversation,
        target.remember,
        writing.now,
        is_group=address.group,
    )
    log = partial(log_message, writing.session, conversation, now=writing.now, inbox_id=writing.row.id)
    if asked_here:
        log(direction="in", text=_said(answered), staff_id=writing.staff_id)
    shown: list[Part] = [*target.parts, *([answered.reply.card] if answered.reply.card and asked_here else [])]
    if shown:
        log(direction="out", text=as_text(shown), intent=answered.reply.intent)
    return conversation


def _said(answered: Answered) -> str:
    """Return what the log keeps of an update."""
    if answered.pressed:
        return PRESS_LOG.format(action=answered.pressed.action)
    kinds = "".join(f"[{one.kind}]" for one in answered.update.attachments)
    return f"{answered.update.text}{kinds}"


async def _queue_part(writing: Writing, conversation: Conversation, address: Address, part: Part, number: int) -> None:
    """Queue one part of the reply; a card gets its row first, so that a press finds it."""
    row = writing.row
    card = await _new_card(writing, conversation, address, part) if isinstance(part, Card) else None
    message = outbox.NewMessage(
        tenant_id=row.tenant_id,
        platform=address.platform,
        kind="reply",
        dedupe_key=reply_key(row, number),
        conversation_key=address.conversation,
        address=dump_address(address),
        message=dump_part(part),
        card_id=card.id if card else None,
        inbox_id=row.id,
        expire_at=writing.worth_until,
    )
    await outbox.queue(writing.session, message, writing.now)


async def _new_card(writing: Writing, conversation: Conversation, address: Address, part: Card) -> CardRow:
    return await new_card(
        writing.session,
        tenant_id=writing.row.tenant_id,
        public_id=f"c-{uuid.uuid4().hex}",
        platform=address.platform,
        content=dump_part(part),
        address=dump_address(without_press(address)),
        now=writing.now,
        conversation_id=conversation.id,
        staff_id=writing.staff_id,
    )


async def _log_press(
    writing: Writing, pressed: PressedCard, card: CardRow, outcome: Literal["changed", "refused"], detail: str
) -> None:
    press = Press(
        tenant_id=writing.row.tenant_id,
        card_id=card.id,
        user_id=writing.answered.update.address.user_id,
        action=pressed.action,
        outcome=outcome,
        version=card.version,
        staff_id=writing.staff_id,
        detail=detail,
    )
    await log_press(writing.session, press, writing.now)


async def _write_feedback(writing: Writing, given: GivenFeedback) -> None:
    await log_feedback(
        writing.session,
        tenant_id=writing.row.tenant_id,
        platform=writing.answered.update.address.platform,
        about=given.about,
        inbox_id=writing.row.id,
        staff_id=writing.staff_id,
        verdict=given.verdict,
        reason=given.reason,
        now=writing.now,
    )


def reply_key(row: ClaimedUpdate, number: int) -> str:
    """Return what names the delivery of one part of an answer."""
    return f"reply:{row.id}:{number}"


def without_press(address: Address) -> Address:
    """Return the address without what belongs to one press only (a response code serves a single update)."""
    hints = {name: value for name, value in address.hints.items() if name != "response_code"}
    return replace(address, hints=hints)
