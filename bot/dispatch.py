"""From an inbox row to its answer.

    claim → who is it → what does the button mean → router → one transaction:
    inbox done + conversation log + cards + outbox rows → ring the deliverer

A handler that raises is tried again after a pause, five times; then the row is dead with its reason and the
person gets a plain apology. Neither happens in silence.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.metrics import Metrics
from bot.worker import Doorbell, TaskPool
from db import inbox, outbox
from db.cards import change_card, find_card, meaning_of, new_card
from db.conversations import find_conversation, log_message, touch_conversation
from db.engine import Database
from db.inbox import ClaimedUpdate, LeaseLost
from db.models import CardRow, Conversation, Tenant
from handlers.clock import business_now, zone_of
from handlers.codec import dump_address, dump_part, load_address, load_update
from handlers.messages import Address, Card, Part, Reply, Text, Update, settle
from handlers.people import find_person
from handlers.plain import as_text
from handlers.router import Router
from handlers.turn import Person, PressedCard, Turn

log = structlog.get_logger()

NOT_BOUND = "您好，我还不认识您，所以看不到任何门店数据。\n请把这串编号发给管理员，请他帮您绑定门店：{user_id}"
OUTSIDER = "您好，我只为本企业的同事服务。"
ONLY_TEXT = "我现在只看得懂文字和按钮。请把想问的打成一句话发给我。"
WELCOME = "您好，{name}。发「/帮助」看看我能做什么。"
APOLOGY = "抱歉，这条消息处理失败了，我已经记下来请管理员查看。请稍后再发一次。"
PRESS_LOG = "[按钮] {action}"
AT_ONCE = 16
RETRY_PAUSE = timedelta(seconds=2)
INTENT_NONE = "help"


@dataclass(frozen=True, slots=True)
class Answered:
    """An update with its answer, ready to be written."""

    update: Update
    reply: Reply
    person: Person | None
    pressed: PressedCard | None


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Works off the inbox; any number of them may share one database."""

    database: Database
    router_of: Callable[[int], Router]
    bell: Doorbell
    deliver_bell: Doorbell
    metrics: Metrics
    clock: Callable[[], datetime]
    owner: str
    pool: TaskPool = field(default_factory=lambda: TaskPool(AT_ONCE))

    async def step(self) -> int:
        """Start on the rows that can be claimed now and return how many there were."""
        if not self.pool.room:
            return 0
        claimed = await inbox.claim(self.database, self.owner, self.clock(), self.pool.room)
        for row in claimed:
            self.pool.start(self._guarded(row), self.bell.ring)
        return len(claimed)

    async def _guarded(self, row: ClaimedUpdate) -> None:
        """Answer one row; whatever goes wrong stays on that row."""
        started = time.perf_counter()
        try:
            with structlog.contextvars.bound_contextvars(inbox_id=row.id, tenant_id=row.tenant_id):
                await self._answer(row)
        except LeaseLost:
            log.warning("dispatch.fenced", inbox_id=row.id)
        except Exception as error:
            log.exception("dispatch.failed", inbox_id=row.id, attempt=row.attempts)
            await self._give_up_or_retry(row, f"{type(error).__name__}: {error}")
        self.metrics.answer_seconds.observe(time.perf_counter() - started)
        self.deliver_bell.ring()

    async def _answer(self, row: ClaimedUpdate) -> None:
        update = load_update(row.update)
        answered = await self._think(row, update)
        settled = [await settle(part) for part in answered.reply.parts]
        async with self.database.write() as session:
            await inbox.finish(session, row.id, self.owner, self.clock())
            await self._record(session, row, answered, settled)
        self.metrics.answers.labels(answered.reply.intent).inc()
        log.info("dispatch.answered", intent=answered.reply.intent, platform=update.address.platform)

    async def _think(self, row: ClaimedUpdate, update: Update) -> Answered:
        """Find out who asks and what, and let the router answer; nothing is written here."""
        async with self.database.read() as session:
            address = update.address
            person = await find_person(session, row.tenant_id, address.platform, address.user_id)
            if person is None:
                return Answered(update, Reply.say(INTENT_NONE, _to_stranger(update)), None, None)
            if update.kind in {"enter", "other"}:
                return Answered(update, _to_wordless(update, person), person, None)
            update = await _at_card(session, row.tenant_id, update)
            turn = await self._turn(session, row, update, person)
        reply = await self.router_of(row.tenant_id).answer(turn)
        return Answered(update, reply, person, turn.pressed)

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
            pressed=await self._pressed(session, row, update),
        )

    @staticmethod
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
            card.id, card.public_id, card.kind, card.state, card.content, meaning["action"], meaning["value"]
        )

    async def _record(self, session: AsyncSession, row: ClaimedUpdate, answered: Answered, parts: list[Part]) -> None:
        now = self.clock()
        address = answered.update.address
        conversation = await touch_conversation(
            session,
            row.tenant_id,
            address.platform,
            address.conversation,
            answered.reply.remember,
            now,
            is_group=address.group,
        )
        self._log(session, row, conversation, answered, parts, now)
        for number, part in enumerate(parts):
            await self._queue_part(session, row, conversation, answered, part, number, now)
        if answered.reply.card is not None and answered.pressed is not None:
            await self._queue_card_update(session, row, answered.pressed.card_id, answered.reply.card, address, now)

    @staticmethod
    def _log(
        session: AsyncSession,
        row: ClaimedUpdate,
        conversation: Conversation,
        answered: Answered,
        parts: list[Part],
        now: datetime,
    ) -> None:
        """Write both sides of the exchange into the conversation's log."""
        staff_id = answered.person.staff_id if answered.person else None
        said = PRESS_LOG.format(action=answered.pressed.action) if answered.pressed else answered.update.text
        log_message(session, conversation, "in", said, now, inbox_id=row.id, staff_id=staff_id)
        shown: list[Part] = [*parts, *([answered.reply.card] if answered.reply.card else [])]
        if shown:
            text = as_text(shown)
            log_message(session, conversation, "out", text, now, inbox_id=row.id, intent=answered.reply.intent)

    @staticmethod
    async def _queue_part(
        session: AsyncSession,
        row: ClaimedUpdate,
        conversation: Conversation,
        answered: Answered,
        part: Part,
        number: int,
        now: datetime,
    ) -> None:
        """Queue one part of the reply; a card gets its row first, so that a press finds it."""
        address = answered.update.address
        card_row: CardRow | None = None
        if isinstance(part, Card):
            card_row = await new_card(
                session,
                tenant_id=row.tenant_id,
                public_id=f"c-{uuid.uuid4().hex}",
                platform=address.platform,
                content=dump_part(part),
                address=dump_address(without_press(address)),
                now=now,
                conversation_id=conversation.id,
                staff_id=answered.person.staff_id if answered.person else None,
            )
        message = outbox.NewMessage(
            tenant_id=row.tenant_id,
            platform=address.platform,
            kind="reply",
            dedupe_key=f"reply:{row.id}:{number}",
            conversation_key=address.conversation,
            address=dump_address(address),
            message=dump_part(part),
            card_id=card_row.id if card_row else None,
            inbox_id=row.id,
        )
        await outbox.queue(session, message, now)

    @staticmethod
    async def _queue_card_update(
        session: AsyncSession, row: ClaimedUpdate, card_id: int, content: Card, address: Address, now: datetime
    ) -> None:
        """Change the pressed card's row and queue the update that shows it."""
        card_row = await session.get_one(CardRow, card_id, with_for_update=True)
        change_card(card_row, dump_part(content), now)
        message = outbox.NewMessage(
            tenant_id=row.tenant_id,
            platform=address.platform,
            kind="card_update",
            dedupe_key=f"card:{row.id}",
            conversation_key=address.conversation,
            address=dump_address(address),
            message=dump_part(content),
            card_id=card_id,
            inbox_id=row.id,
        )
        await outbox.queue(session, message, now)

    async def _give_up_or_retry(self, row: ClaimedUpdate, error: str) -> None:
        try:
            if row.attempts < inbox.MAX_ATTEMPTS:
                pause = RETRY_PAUSE * 2 ** (row.attempts - 1)
                await inbox.put_back(self.database, row.id, self.owner, self.clock(), error, pause)
                return
            update = load_update(row.update)
            apology = Answered(update, Reply.say(INTENT_NONE, APOLOGY), None, None)
            async with self.database.write() as session:
                await inbox.finish(session, row.id, self.owner, self.clock(), error=error)
                await self._record(session, row, apology, [Text(APOLOGY)])
        except LeaseLost:
            log.warning("dispatch.fenced", inbox_id=row.id)


def without_press(address: Address) -> Address:
    """Return the address without what belongs to one press only (a response code serves a single update)."""
    hints = {name: value for name, value in address.hints.items() if name != "response_code"}
    return replace(address, hints=hints)


async def _at_card(session: AsyncSession, tenant_id: int, update: Update) -> Update:
    """Return a press with the conversation its card stands in: DingTalk's does not say whether that is a group."""
    card = await find_card(session, tenant_id, update.press.card) if update.press else None
    if card is None:
        return update
    shown, pressed = load_address(card.address), update.address
    hints = {**shown.hints, **pressed.hints}
    address = replace(pressed, conversation=shown.conversation, group=shown.group, hints=hints)
    return replace(update, address=address)


def _to_stranger(update: Update) -> str:
    """Say how to be bound; someone outside the organisation has no id that could be."""
    return NOT_BOUND.format(user_id=update.address.user_id) if update.address.user_id else OUTSIDER


def _to_wordless(update: Update, person: Person) -> Reply:
    """Greet a person who was just added; ask for words where something else came. Opening the chat says nothing."""
    if update.kind == "enter":
        greet = update.note == "subscribe"
        return Reply.say(INTENT_NONE, WELCOME.format(name=person.name)) if greet else Reply(INTENT_NONE)
    return Reply.say(INTENT_NONE, ONLY_TEXT)
