"""A clerk's tasks of one day as one card, for the chat, the morning push and the evening reminder alike.

A task's number is its place among all the clerk's tasks of the day, done or not, so that 「完成 3」 means the same
in the morning and in the evening. A button's key comes from the task's id: it keeps its meaning on outdated copies
of the card, and has no digit at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Store, Task
from handlers.messages import Button, Card

DONE = "done"
OPEN = "open"
REMINDER = "evening"  # the kind of card that names tasks without their drafts
KEY_DIGITS = "abcdefghij"
BUTTONS = 5
SHOWN = 12
BUTTON_TEXT = "完成 {number}"
OPEN_LINE = "{number}. **{title}**\n{draft}"
OPEN_LINE_SHORT = "{number}. {title}"
DONE_LINE = "{number}. ✅ {title}（{time} 已完成）"
CLOSED_LINE = "{number}. {title}（{state}）"
STATES = {"snoozed": "已推迟", "unsuitable": "不合适", "expired": "已过期"}
MORE = "还有 {count} 件，说「我的任务」查看。"
BY_WORDS = "其余的回复「完成 {number}」就行。"
ALL_DONE = "✅ 全部完成"
SOME_DONE = "✅ 已完成 {done}/{total}"


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task as it is shown; `task_id` is 0 for one that is only planned."""

    number: int
    task_id: int
    store_id: int
    title: str
    draft: str
    state: str = OPEN
    done_at: datetime | None = None
    zone: str = "Asia/Shanghai"


async def tasks_of(
    session: AsyncSession, tenant_id: int, staff_ids: Iterable[int], due: date
) -> dict[int, list[TaskLine]]:
    """Return each person's tasks of the day with their numbers, in the order in which they were made."""
    query = (
        select(Task, Store.timezone)
        .join(Store, Store.id == Task.store_id)
        .where(Task.tenant_id == tenant_id, Task.staff_id.in_(list(staff_ids)), Task.due_date == due)
        .order_by(Task.id)
    )
    lines: dict[int, list[TaskLine]] = {}
    for task, zone in (await session.execute(query)).all():
        mine = lines.setdefault(task.staff_id, [])
        mine.append(_line(len(mine) + 1, task, zone))
    return lines


def _line(number: int, task: Task, zone: str) -> TaskLine:
    return TaskLine(number, task.id, task.store_id, task.title, task.draft, task.state, task.done_at, zone)


def task_card(kind: str, title: str, lines: Sequence[TaskLine], footer: str = "", *, drafts: bool = True) -> Card:
    """Return the card: what is open with its draft first-hand, what is done with its time, a button for five."""
    open_lines = [line for line in lines if line.state == OPEN]
    shown = _worth_showing(lines)
    texts = [_words(line, drafts) for line in shown]
    if len(lines) > len(shown):
        texts.append(MORE.format(count=len(lines) - len(shown)))
    buttons = tuple(_button(line) for line in open_lines[:BUTTONS] if line.task_id)
    if len(open_lines) > BUTTONS:
        texts.append(BY_WORDS.format(number=open_lines[BUTTONS].number))
    return Card(kind, title, text="\n".join(texts), buttons=buttons, footer=footer, state=_state(lines))


def refreshed(card: Card, lines: Sequence[TaskLine]) -> Card:
    """Return a sent card of tasks as things stand now; title and footer stay."""
    again = task_card(card.kind_of_card, card.title, lines, card.footer, drafts=card.kind_of_card != REMINDER)
    return replace(again, fields=card.fields)


def _worth_showing(lines: Sequence[TaskLine]) -> list[TaskLine]:
    """Keep a dozen, the open ones before the finished ones, in the order of their numbers."""
    ranked = sorted(lines, key=lambda line: (line.state != OPEN, line.number))
    return sorted(ranked[:SHOWN], key=lambda line: line.number)


def _words(line: TaskLine, drafts: bool) -> str:
    if line.state == OPEN:
        return (OPEN_LINE if drafts else OPEN_LINE_SHORT).format(number=line.number, title=line.title, draft=line.draft)
    if line.state == DONE:
        return DONE_LINE.format(number=line.number, title=line.title, time=clock_words(line.done_at, line.zone))
    return CLOSED_LINE.format(number=line.number, title=line.title, state=STATES.get(line.state, line.state))


def _button(line: TaskLine) -> Button:
    text = BUTTON_TEXT.format(number=line.number)
    return Button(f"done-{letters(line.task_id)}", text, "tasks.done", {"task_id": line.task_id})


def letters(number: int) -> str:
    """Return a number in letters, one for each digit."""
    return "".join(KEY_DIGITS[int(digit)] for digit in str(number))


def _state(lines: Sequence[TaskLine]) -> str:
    done = sum(line.state == DONE for line in lines)
    if not done:
        return ""
    return ALL_DONE if done == len(lines) else SOME_DONE.format(done=done, total=len(lines))


def clock_words(moment: datetime | None, zone: str | tzinfo) -> str:
    """Return a moment as the time of day in a zone: 10:32."""
    if moment is None:
        return ""
    return f"{moment.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone):%H:%M}"


def outcome_rows(lines: Sequence[TaskLine]) -> dict[str, Any]:
    """Return the tasks as a report for machines."""
    rows = [[line.number, line.title, line.state, line.draft] for line in lines]
    return {"columns": ["序号", "任务", "状态", "草稿"], "rows": rows}
