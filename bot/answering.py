"""What is answered to an update: who is it, what does the button mean, which handler. Nothing is written here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.identity import Identities
from db.cards import find_card, meaning_of
from db.conversations import find_conversation
from db.engine import Database
from db.inbox import ClaimedUpdate
from db.models import Tenant
from handlers.clock import business_now, zone_of
from handlers.codec import load_address
from handlers.messages import OVER_QUOTA, STALE, Reply, Update
from handlers.router import Router
from handlers.turn import Person, PressedCard, Turn

log = structlog.get_logger()

NOT_BOUND = (
    "您好，我还不认识您，所以看不到任何门店数据。\n"
    "请向管理员要一个绑定码，然后对我说「绑定 123456」；\n"
    "或者把这串编号发给管理员，请他帮您绑定：{user_id}"
)
OUTSIDER = "您好，我只为本企业的同事服务。"
ONLY_TEXT = "我现在只看得懂文字和按钮。请把想问的打成一句话发给我。"
WELCOME = "您好，{name}。发「/帮助」看看我能做什么。"
TOO_OLD = "平台送来时已经超过 30 分钟，没有回答"
NO_CONTENTS = "企业本月的额度用完了，平台送来的消息没有内容，没法回答"
UNANSWERED = {STALE: TOO_OLD, OVER_QUOTA: NO_CONTENTS}
INTENT_NONE = "help"
GREETED = frozenset({"subscribe"})
# Words that say nothing without the message they quote.
POINTING = re.compile(r"^\s*(?:这个|这条|这句|上面这?个?|它|再来一次|再问一次|回答一下|看看|怎么样)?[\s?？!！。~～]*$")


@dataclass(frozen=True, slots=True)
class Answered:
    """An update with its answer, ready to be written; `failure` says why it is not answered at all."""

    update: Update
    reply: Reply
    person: Person | None = None
    pressed: PressedCard | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Answerer:
    """Finds the answer to an update."""

    database: Database
    router_of: Callable[[int], Router]
    identities: Identities

    async def answer(self, row: ClaimedUpdate, update: Update) -> Answered:
        """Return what is to be said and remembered."""
        if update.kind == "other" and update.note in UNANSWERED:
            return Answered(update, Reply(INTENT_NONE), failure=UNANSWERED[update.note])
        person = await self.identities.person(row.tenant_id, update.address)
        if update.kind == "feedback":
            return Answered(update, Reply(INTENT_NONE), person)
        if update.kind == "enter" and update.note not in GREETED:
            return Answered(update, Reply(INTENT_NONE), person)  # opening a chat says nothing
        if person is None:
            return Answered(update, await self._to_stranger(row, update))
        if update.kind in {"enter", "other"}:
            return Answered(update, _to_wordless(update, person), person)
        async with self.database.read() as session:
            update = await _at_card(session, row.tenant_id, _with_quote(update))
            turn = await self._turn(session, row, update, person)
        return Answered(update, await self.router_of(row.tenant_id).answer(turn), person, turn.pressed)

    async def _to_stranger(self, row: ClaimedUpdate, update: Update) -> Reply:
        """Bind by a code, or say how to be bound; someone outside the organisation has no id that could be."""
        if not update.address.user_id:
            return Reply.say(INTENT_NONE, OUTSIDER)
        said = await self.identities.by_code(row.tenant_id, update)
        hint = NOT_BOUND.format(user_id=update.address.user_id)
        return replace(Reply.say(INTENT_NONE, said or hint), private=True)

    async def _turn(self, session: AsyncSession, row: ClaimedUpdate, update: Update, person: Person) -> Turn:
        tenant = await session.get_one(Tenant, row.tenant_id)
        conversation = await find_conversation(
            session, row.tenant_id, update.address.platform, update.address.conversation
        )
        return Turn(
            person=person,
            text=update.text,
            now=business_now(row.received_at, await zone_of(session, person), tenant.demo_as_of),
            group=update.address.group,
            context=conversation.context if conversation else {},
            pressed=await _pressed(session, row, update),
            attachments=update.attachments,
        )


async def _pressed(session: AsyncSession, row: ClaimedUpdate, update: Update) -> PressedCard | None:
    """Return what the pressed button means; a card or key we do not know means the empty action."""
    if update.press is None:
        return None
    card = await find_card(session, row.tenant_id, update.press.card)
    meaning = meaning_of(card, update.press.button) if card else None
    if card is None or meaning is None:
        log.warning("dispatch.unknown_press", card=update.press.card)
        return PressedCard(0, update.press.card, "", "", {}, "", {})
    return PressedCard(
        card.id,
        card.public_id,
        card.kind,
        card.state,
        card.content,
        meaning["action"],
        meaning["value"],
        update.press.selected,
    )


async def _at_card(session: AsyncSession, tenant_id: int, update: Update) -> Update:
    """Return a press with the conversation its card stands in: DingTalk's does not say whether that is a group."""
    card = await find_card(session, tenant_id, update.press.card) if update.press else None
    if card is None:
        return update
    shown, pressed = load_address(card.address), update.address
    hints = {**shown.hints, **pressed.hints}
    address = replace(pressed, conversation=shown.conversation, group=shown.group, hints=hints)
    return replace(update, address=address)


def _with_quote(update: Update) -> Update:
    """Return the update with the quoted words as its own where it only points at them."""
    if update.quote and update.kind == "text" and POINTING.match(update.text):
        return replace(update, text=update.quote)
    return update


def _to_wordless(update: Update, person: Person) -> Reply:
    """Greet a person who was just added; ask for words where something else came."""
    return Reply.say(INTENT_NONE, WELCOME.format(name=person.name) if update.kind == "enter" else ONLY_TEXT)
