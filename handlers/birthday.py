"""Birthday greetings: 「给王女士写个生日祝福」, 「给会员 1024 写生日祝福」, 「今天谁过生日」."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.models import Member, Task
from handlers.intents import Intent
from handlers.member_search import PRONOUN, Wanted, find_members, member_in_scope, read_wanted
from handlers.messages import Button, Card, Outcome, Part, Reply, Text
from handlers.turn import Turn
from knowledge.birthdays import birthdays_on, days_until, spoken_birthday
from knowledge.drafts import Draft, Drafts, Recipient

TITLE = "{address}的生日祝福"
PLAIN_TITLE = "生日祝福（通用）"
NO_RECORD = "您负责的门店里没有找到「{who}」，这是一条通用祝福，没有用任何会员资料。"
CHOSEN = "「{who}」有 {count} 位，先取了今天过生日的这位。"
NOT_TODAY = "生日还没到，这条请到那天再发。"
DO_NOT_DISTURB = "这位会员设了免打扰，发之前请先想一想。"
BY_MODEL = "AI 起草，已检查用词"
BY_TEMPLATE = "复制后可以改成自己的口气"
WHICH = "「{who}」有 {count} 位，是哪一位？"
READY = "上面这条不看会员资料，可以直接发；选一位，就照会员资料再写一条。"
WHICH_MORE = "还有 {count} 位没列出，可以说「给会员 {example} 写生日祝福」。"
ASK_WHO = "给谁写？比如「给王女士写个生日祝福」，或者说会员号。"
NOBODY_TODAY = "{when}没有会员过生日。"
SOMEBODY = "{when}有 {count} 位会员过生日："
LIST_MORE = "还有 {count} 位没列出。"
LIST_HINT = "说「给会员 {example} 写生日祝福」就有草稿。"
MEMBER_LINE = "{number}. {name}（会员 {id}，{level}，生日 {birthday}{when}）"
IN_DAYS = ("，就是今天", "，明天", "，后天")
IN_MORE_DAYS = "，还有 {days} 天"
MEMBER_ID = "会员 {id}"
AGAIN, SENT = "换一条", "已发送"
SUGGESTION = "给会员 {id} 写生日祝福{extra}"

CHOICES = 5
LISTED = 20
SUGGESTED = 3
WEEK = 7
LETTERS = "abcde"
_REQUEST = re.compile(r"生日|祝福|祝词|贺|写|帮我|给|会员\s*\d|换一")
_WEEK = re.compile(r"这周|本周|这星期|本星期|最近|近期|未来|一周|7\s*天|七天")


@dataclass(frozen=True, slots=True)
class BirthdayHandler:
    """Writes a birthday greeting for a member, or tells whose birthday it is."""

    database: Database
    drafts: Drafts
    intent: ClassVar[Intent] = Intent(
        "birthday",
        private=True,
        strong=re.compile(
            r"生日(?:祝福|祝词|祝语|贺词|贺卡|问候|文案|短信|消息|快乐)|(?:谁|哪些|哪位|几位|多少).{0,8}生日"
            r"|(?:祝|贺).{0,12}生日|(?:今天|明天|后天|这周|本周|最近|未来).{0,8}(?:过生日|生日的|庆生)|生日.{0,12}(?:祝福|祝词|贺词)"
        ),
        weak=re.compile(r"生日"),
        actions=frozenset({"birthday.again", "birthday.pick"}),
        example="给王女士写个生日祝福",
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return a card with the draft, a list to choose from, or today's birthdays."""
        if turn.pressed is not None:
            return await self._pressed(turn, turn.pressed.value)
        wanted, extra = read_wanted(turn.text), clerk_words(turn.text)
        if not wanted.nobody:
            return await self._write_for(turn, wanted, extra)
        remembered = turn.context.get("member_id")
        if isinstance(remembered, int) and PRONOUN.search(turn.text):
            return await self._write_for(turn, Wanted(member_id=remembered), extra)
        return await self._list(turn)

    async def _write_for(self, turn: Turn, wanted: Wanted, extra: str) -> Reply:
        today = turn.now.date()
        with turn.trace.step("run_sql"):
            async with self.database.read() as session:
                found = await find_members(session, turn.person, wanted, today)
        if not found:
            return _answer(await self._plain_card(turn, {**_plain_value(wanted), "extra": extra}))
        celebrating = [m for m in found if days_until(m, today) == 0]
        if len(found) > 1 and len(celebrating) != 1:
            with turn.trace.step("compose"):
                draft = await self.drafts.birthday(Recipient(turn.person.staff_id, wanted.address), today, 0, extra)
            return _ask_which(found, wanted, extra, today, draft)
        member = celebrating[0] if len(found) > 1 else found[0]
        note = CHOSEN.format(who=_words_for(wanted), count=len(found)) if len(found) > 1 else ""
        return _answer(await self._card(turn, member, 0, extra, note), member)

    async def _pressed(self, turn: Turn, value: Mapping[str, Any]) -> Reply:
        """Replace the card by the next draft, or the list by the chosen member's draft."""
        if "member_id" not in value:
            return Reply("birthday", card=await self._plain_card(turn, value))
        async with self.database.read() as session:
            member = await member_in_scope(session, turn.person, int(value["member_id"]))
        if member is None:
            gone = {"who": MEMBER_ID.format(id=value["member_id"]), "again": value.get("again", 0)}
            return Reply("birthday", card=await self._plain_card(turn, gone))
        card = await self._card(turn, member, value.get("again", 0), value.get("extra", ""), "")
        return Reply("birthday", card=card, remember={"member_id": member.id})

    async def _card(self, turn: Turn, member: Member, again: int, extra: str, note: str) -> Card:
        today = turn.now.date()
        to = Recipient.of(member, today)
        with turn.trace.step("compose"):
            draft = await self.drafts.birthday(to, today, again, extra)
        async with self.database.read() as session:
            task_id = await _open_task(session, turn, member)
        value = {"member_id": member.id, "again": again + 1, "extra": extra}
        buttons = [Button("again", AGAIN, "birthday.again", value)]
        if task_id is not None:
            buttons.insert(0, Button("sent", SENT, "tasks.done", {"task_id": task_id}, primary=True))
        early = NOT_TODAY if days_until(member, today) else ""
        notes = [note, draft.note, early, DO_NOT_DISTURB if member.do_not_disturb else ""]
        return Card(
            "birthday",
            TITLE.format(address=to.address),
            text="\n\n".join([draft.text, *filter(None, notes)]),
            fields=_fields(member, today),
            buttons=tuple(buttons),
            footer=_footer(draft),
        )

    async def _plain_card(self, turn: Turn, value: Mapping[str, Any]) -> Card:
        """Return a greeting for the name alone; `value` is that of the card's button."""
        again, extra = int(value.get("again", 0)), str(value.get("extra", ""))
        address = str(value.get("address", ""))
        to = Recipient(turn.person.staff_id, address)
        with turn.trace.step("compose"):
            draft = await self.drafts.birthday(to, turn.now.date(), again, extra)
        again_value = {"who": value["who"], "address": address, "extra": extra, "again": again + 1}
        notes = [NO_RECORD.format(who=value["who"]), draft.note]
        return Card(
            "birthday",
            TITLE.format(address=address) if address else PLAIN_TITLE,
            text="\n\n".join([draft.text, *filter(None, notes)]),
            buttons=(Button("again", AGAIN, "birthday.again", again_value),),
            footer=_footer(draft),
        )

    async def _list(self, turn: Turn) -> Reply:
        """Tell whose birthday it is on the day, or in the week, that the sentence names."""
        today = turn.now.date()
        when, days = _days_asked(turn.text, today)
        members: list[Member] = []
        with turn.trace.step("run_sql"):
            async with self.database.read() as session:
                for day in days:
                    members += await birthdays_on(session, turn.person.tenant_id, turn.person.store_ids, day)
        if not members:
            ask = "" if re.search("谁|哪|几位|多少", turn.text) else ASK_WHO
            return Reply.say("birthday", NOBODY_TODAY.format(when=when) + ask)
        text = "\n".join(
            [
                SOMEBODY.format(when=when, count=len(members)),
                *(_line(n, m, today) for n, m in enumerate(members[:LISTED], 1)),
                *([LIST_MORE.format(count=len(members) - LISTED)] if len(members) > LISTED else []),
                LIST_HINT.format(example=members[0].id),
            ]
        )
        remember = {"suggestions": [SUGGESTION.format(id=m.id, extra="") for m in members[:SUGGESTED]]}
        return Reply("birthday", (Text(text),), outcome=_outcome(members), remember=remember)


def clerk_words(text: str) -> str:
    """Return what the clerk adds about the customer: 她刚买了羊绒大衣."""
    pieces = re.split(r"[，,。;；!！\n]", text)
    return "，".join(piece.strip() for piece in pieces if piece.strip() and not _REQUEST.search(piece))


def _answer(part: Part, member: Member | None = None) -> Reply:
    return Reply("birthday", (part,), remember={"member_id": member.id} if member else {})


def _plain_value(wanted: Wanted) -> dict[str, str]:
    return {"who": _words_for(wanted), "address": wanted.address}


def _words_for(wanted: Wanted) -> str:
    if wanted.member_id is not None:
        return MEMBER_ID.format(id=wanted.member_id)
    return wanted.address if wanted.by_surname else wanted.name


def _ask_which(found: list[Member], wanted: Wanted, extra: str, today: date, draft: Draft) -> Reply:
    """Give a greeting that fits everybody of the name, and ask which member is meant, next birthdays first."""
    shown = found[:CHOICES]
    lines = [_line(number, member, today) for number, member in enumerate(shown, 1)]
    if len(found) > CHOICES:
        lines.append(WHICH_MORE.format(count=len(found) - CHOICES, example=found[CHOICES].id))
    buttons = tuple(
        Button(f"pick-{letter}", f"{m.name} · {m.id}", "birthday.pick", {"member_id": m.id, "again": 0, "extra": extra})
        for letter, m in zip(LETTERS, shown, strict=False)
    )
    title = WHICH.format(who=_words_for(wanted), count=len(found))
    words = f"，{extra}" if extra else ""
    suggestions = [SUGGESTION.format(id=m.id, extra=words) for m in shown[:SUGGESTED]]
    card = Card("birthday", title, text="\n".join([READY, *lines]), buttons=buttons)
    return Reply("birthday", (Text(draft.text), card), remember={"suggestions": suggestions})


def _line(number: int, member: Member, today: date) -> str:
    return MEMBER_LINE.format(
        number=number,
        name=member.name,
        id=member.id,
        level=member.level,
        birthday=spoken_birthday(member),
        when=_in_days(member, today),
    )


def _in_days(member: Member, today: date) -> str:
    days = days_until(member, today)
    if days is None:
        return ""
    return IN_DAYS[days] if days < len(IN_DAYS) else IN_MORE_DAYS.format(days=days)


def _fields(member: Member, today: date) -> tuple[tuple[str, str], ...]:
    fields = [
        ("会员", f"{member.name} · {member.id}"),
        ("等级", member.level),
        ("生日", spoken_birthday(member) + _in_days(member, today)),
    ]
    if member.preferences:
        fields.append(("偏好", "、".join(member.preferences)))
    return tuple(fields)


def _footer(draft: Draft) -> str:
    return BY_MODEL if draft.source == "model" else BY_TEMPLATE


def _days_asked(text: str, today: date) -> tuple[str, list[date]]:
    if _WEEK.search(text):
        return "这 7 天", [today + timedelta(days=n) for n in range(WEEK)]
    ahead = 1 if "明天" in text else 2 if "后天" in text else 0
    return ("今天", "明天", "后天")[ahead], [today + timedelta(days=ahead)]


def _outcome(members: list[Member]) -> Outcome:
    rows = [[m.id, m.name, m.level, spoken_birthday(m)] for m in members]
    return Outcome(report={"columns": ["会员号", "姓名", "等级", "生日"], "rows": rows})


async def _open_task(session: AsyncSession, turn: Turn, member: Member) -> int | None:
    """Return the person's own open task for this member's birthday today."""
    query = select(Task.id).where(
        Task.tenant_id == turn.person.tenant_id,
        Task.staff_id == turn.person.staff_id,
        Task.due_date == turn.now.date(),
        Task.state == "open",
        Task.kind == "birthday",
        Task.member_id == member.id,
    )
    return await session.scalar(query.order_by(Task.id).limit(1))
