"""Today's work: 「我的任务」, 「完成 3」, and the 完成 button of every card that lists tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar

from sqlalchemy import CursorResult, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.models import Staff, Store, Task
from handlers.codec import load_card
from handlers.intents import HandlerError, Intent
from handlers.messages import Card, Outcome, Reply, Table, Text
from handlers.task_list import DONE, OPEN, STATES, TaskLine, clock_words, outcome_rows, refreshed, task_card, tasks_of
from handlers.turn import PressedCard, Turn

TITLE = "今天的任务 · {day}"
NO_TASKS = "今天没有任务。早上 8 点会把当天的草稿和任务发给您。"
NO_SUCH_NUMBER = "今天没有第 {number} 号任务，您今天有 {count} 件。说「我的任务」看清单。"
NOT_YOURS = "这不是您的任务，或者它已经不在了。"
JUST_DONE = "✅ 第 {number} 号「{title}」已完成。"
DONE_BEFORE = "第 {number} 号「{title}」{time} 就已经完成了，没有重复记录。"
NOT_OPEN = "「{title}」现在是「{state}」，没有改动。"
SINGLE_DONE = "✅ {time} 已完成"
ALREADY = "✅ {time} 已经完成，没有重复记录"
LEFT = "还剩 {count} 件。"
NONE_LEFT = "今天的都做完了，辛苦了！"
TEAM_TITLE = "今天各门店任务"
TEAM_TITLE_CUT = "今天各门店任务（只列出前 60 行）"
TEAM_COLUMNS = ("门店", "店员", "已完成", "未完成")
NO_TEAM_TASKS = "您负责的门店今天还没有任务。"
LISTS = frozenset({"tasks", "morning", "evening"})
MANAGING = frozenset({"manager", "regional", "hq", "admin"})
TEAM_ROWS = 60
_DONE = re.compile(
    r"^\s*(?:完成|做完了?|搞定|办完)\s*(?:第)?\s*(?:任务)?\s*(\d{1,3})\s*(?:个|条|号|件)?(?:任务)?\s*(?:了|啦)?[。!！]?\s*$"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a wish to finish a task came to: the task as it is now, and whether this very press finished it."""

    line: TaskLine
    due: date
    now_done: bool


@dataclass(frozen=True, slots=True)
class TasksHandler:
    """Lists the person's tasks of today and marks them done, once."""

    database: Database
    intent: ClassVar[Intent] = Intent(
        "tasks",
        private=True,
        strong=re.compile(
            r"我的任务|今[天日]的?任务|任务(?:列表|清单|进度|情况)|待办|(?:还有|还剩|有)(?:什么|哪些|几个|几件|多少).{0,4}(?:任务|没做|没完成|要做)"
            rf"|{_DONE.pattern}"
        ),
        weak=re.compile(r"任务"),
        actions=frozenset({"tasks.done"}),
        example="我的任务",
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return the list, or what became of the task that was called done."""
        if turn.pressed is not None:
            return await self._pressed(turn, turn.pressed)
        number = _DONE.match(turn.text)
        if number:
            return await self._done_by_number(turn, int(number[1]))
        return await self._list(turn)

    async def _list(self, turn: Turn) -> Reply:
        today = turn.now.date()
        with turn.trace.step("run_sql"):
            async with self.database.read() as session:
                mine = await _mine(session, turn, today)
                team = await _team(session, turn, today) if turn.person.role in MANAGING else []
        if turn.person.role in MANAGING and not mine:
            return _team_reply(team)
        if not mine:
            return Reply.say("tasks", NO_TASKS)
        card = task_card("tasks", TITLE.format(day=f"{today:%m-%d}"), mine)
        parts = (card, _team_table(team)) if team else (card,)
        return Reply("tasks", parts, outcome=Outcome(report=outcome_rows(mine)))

    async def _done_by_number(self, turn: Turn, number: int) -> Reply:
        today = turn.now.date()
        async with self.database.write() as session:
            mine = await _mine(session, turn, today)
            line = next((line for line in mine if line.number == number), None)
            if line is None:
                raise HandlerError(NO_SUCH_NUMBER.format(number=number, count=len(mine)), "tasks")
            done = await _finish(session, turn, line.task_id, {"how": "words"})
            left = sum(line.state == OPEN for line in await _mine(session, turn, today))
        return Reply("tasks", (Text(_told(done, left)),))

    async def _pressed(self, turn: Turn, pressed: PressedCard) -> Reply:
        """Mark the task done and show the card as things stand now."""
        evidence = {"how": "button", "card": pressed.public_id}
        async with self.database.write() as session:
            done = await _finish(session, turn, _task_id(pressed.value), evidence)
            lines = await _mine(session, turn, done.due)
        return Reply("tasks", card=_updated(pressed, done, lines))


def _task_id(value: Mapping[str, Any]) -> int:
    task_id = value.get("task_id")
    return task_id if isinstance(task_id, int) else 0


async def _mine(session: AsyncSession, turn: Turn, due: date) -> list[TaskLine]:
    person = turn.person
    lines = await tasks_of(session, person.tenant_id, [person.staff_id], due)
    return lines.get(person.staff_id, [])


async def _finish(session: AsyncSession, turn: Turn, task_id: int, evidence: dict[str, Any]) -> Done:
    """Mark an open task of this person done; the condition in the UPDATE lets only one press do it."""
    person = turn.person
    statement = (
        update(Task)
        .where(
            Task.id == task_id,
            Task.tenant_id == person.tenant_id,
            Task.staff_id == person.staff_id,
            Task.state == OPEN,
        )
        .values(
            state=DONE,
            done_at=turn.now,
            evidence={**evidence, "by": person.staff_id, "at": turn.now.isoformat()},
        )
    )
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    due = await session.scalar(
        select(Task.due_date).where(
            Task.id == task_id, Task.tenant_id == person.tenant_id, Task.staff_id == person.staff_id
        )
    )
    if due is None:
        raise HandlerError(NOT_YOURS, "tasks")
    line = next(line for line in await _mine(session, turn, due) if line.task_id == task_id)
    return Done(line, due, result.rowcount == 1)


def _told(done: Done, left: int) -> str:
    line = done.line
    if done.now_done:
        said = JUST_DONE.format(number=line.number, title=line.title)
        return said + (LEFT.format(count=left) if left else NONE_LEFT)
    if line.state == DONE:
        time = clock_words(line.done_at, line.zone)
        return DONE_BEFORE.format(number=line.number, title=line.title, time=time)
    return NOT_OPEN.format(title=line.title, state=STATES.get(line.state, line.state))


def _updated(pressed: PressedCard, done: Done, lines: Sequence[TaskLine]) -> Card:
    """Return the pressed card as it is now: a list with what is left, or a single draft that is finished."""
    card = load_card(dict(pressed.content))
    if card.kind_of_card in LISTS:
        of_store = [line for line in lines if card.kind_of_card == "tasks" or line.store_id == done.line.store_id]
        card = refreshed(card, of_store)
        return card if done.now_done else replace(card, state=_told(done, 0))
    if done.line.state != DONE:
        return replace(card, buttons=(), state=_told(done, 0))
    time = clock_words(done.line.done_at, done.line.zone)
    return replace(card, buttons=(), state=(SINGLE_DONE if done.now_done else ALREADY).format(time=time))


async def _team(session: AsyncSession, turn: Turn, today: date) -> list[tuple[str, str, int, int]]:
    """Return (store, clerk, done, not done) for today's tasks in the person's stores, other people's only."""
    done = func.sum(case((Task.state == DONE, 1), else_=0))
    query = (
        select(Store.name, Staff.name, done, func.count(Task.id))
        .join(Store, Store.id == Task.store_id)
        .join(Staff, Staff.id == Task.staff_id)
        .where(
            Task.tenant_id == turn.person.tenant_id,
            Task.store_id.in_(turn.person.store_ids),
            Task.staff_id != turn.person.staff_id,
            Task.due_date == today,
        )
        .group_by(Store.id, Store.name, Staff.id, Staff.name)
        .order_by(Store.id, Staff.id)
        .limit(TEAM_ROWS)
    )
    rows = (await session.execute(query)).all()
    return [(store, clerk, int(finished), count - int(finished)) for store, clerk, finished, count in rows]


def _team_reply(team: Sequence[tuple[str, str, int, int]]) -> Reply:
    if not team:
        return Reply.say("tasks", NO_TEAM_TASKS)
    report = {"columns": list(TEAM_COLUMNS), "rows": [list(row) for row in team]}
    return Reply("tasks", (_team_table(team),), outcome=Outcome(report=report))


def _team_table(team: Sequence[tuple[str, str, int, int]]) -> Table:
    rows = tuple((store, clerk, str(done), str(left)) for store, clerk, done, left in team)
    return Table(TEAM_TITLE if len(team) < TEAM_ROWS else TEAM_TITLE_CUT, TEAM_COLUMNS, rows)
