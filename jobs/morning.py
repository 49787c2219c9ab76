"""What a store's clerks find on the phone in the morning: birthdays, weather and the festival, each with a draft.

    read: clerks, birthdays, tasks that are there → forecast → drafts → one transaction: tasks, cards, outbox rows

Texts are written outside any transaction, because a model may take its time. A second run writes no task, no card
and no message again, and has no text written for tasks that are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.insert_new import insert_new
from db.models import Member, Store, Task
from handlers.messages import Card
from handlers.task_list import TaskLine, task_card, tasks_of
from handlers.weather import place_of
from jobs.due import PushKind
from jobs.outbox_rows import in_transaction, queue_card, queued_for
from jobs.push import Preview, PushOrder, PushParts, PushResult
from jobs.recipients import Clerk, clerks_of
from knowledge.almanac import Festival, festivals_near
from knowledge.birthdays import birthdays_on
from knowledge.drafts import Draft, Drafts, Recipient
from knowledge.greetings import lead_words
from knowledge.weather import Forecast, WeatherUnavailable, advice

KIND: PushKind = "morning"
TITLE = "早上好，{name} · {day:%m-%d} 周{weekday}"
WEEKDAYS = "一二三四五六日"
BIRTHDAY_TITLE = "{address}（会员 {id}）生日祝福"
WEATHER_TITLE = "{city}{sky} {low}~{high}℃，提醒顾客"
HOLIDAY_TITLE, HOLIDAY_CARE_TITLE = "{name}祝福", "{name}问候"
NO_WEATHER = "天气暂时查不到（{reason}），今天没有天气提醒。"
SAMPLE, STALE = "（示例天气）", "（旧数据）"
QUIET = "{count} 位今天过生日的会员设了免打扰，没有安排。"
NO_CLERKS = "门店没有在岗店员，{count} 位会员的生日没有人跟进。"
NO_CLERKS_IDLE = "门店没有在岗店员。"
FIELD_WEATHER, FIELD_SHOP, FIELD_FESTIVAL = "天气", "门店", "节日"
SHOP_PREFIX = "门店："

TITLE_CHARS = 64
# How early a greeting is worth sending: people plan for holidays, a solar term is a matter of the day.
DAYS_AHEAD, TERM_DAYS_AHEAD = 3, 1


@dataclass(frozen=True, slots=True)
class _Material:
    """What the store's morning is made of; `reason` says why there is no forecast."""

    store: Store
    clerks: list[Clerk]
    members: list[Member]
    quiet: int
    there: set[str]  # dedupe keys of tasks an earlier run has made
    greeted: set[tuple[int, str]]  # clerks with titles of festival greetings done on the days before
    forecast: Forecast | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A task to be made; `write` has its draft written."""

    key: str
    staff_id: int
    kind: str
    title: str
    write: Callable[[], Awaitable[Draft]]
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class _NewTask:
    """A plan with its draft."""

    plan: _Plan
    draft: str


async def run_morning(order: PushOrder, parts: PushParts) -> PushResult:
    """Make the store's tasks of the day and queue one card for each clerk; running it again queues nothing."""
    async with parts.database.read() as session:
        material = await _gather(session, order)
    material = await _with_forecast(material, order.due, parts)
    plans = [plan for plan in _plans(material, order.due, parts.drafts) if plan.key not in material.there]
    tasks = await asyncio.gather(*(_written(plan) for plan in sorted(plans, key=lambda plan: plan.key)))
    if order.dry_run:
        async with parts.database.read() as session:
            return await _preview(session, order, material, tasks)
    return await in_transaction(parts.database, lambda session: _write(session, order, material, tasks))


async def _written(plan: _Plan) -> _NewTask:
    return _NewTask(plan, (await plan.write()).text)


async def _gather(session: AsyncSession, order: PushOrder) -> _Material:
    members = await birthdays_on(session, order.tenant_id, [order.store_id], order.due)
    willing = [member for member in members if not member.do_not_disturb]
    return _Material(
        store=await session.get_one(Store, order.store_id),
        clerks=await clerks_of(session, order.tenant_id, order.store_id),
        members=willing,
        quiet=len(members) - len(willing),
        there=await _keys(session, order),
        greeted=await _greeted(session, order),
    )


async def _keys(session: AsyncSession, order: PushOrder) -> set[str]:
    query = select(Task.dedupe_key).where(
        Task.tenant_id == order.tenant_id, Task.store_id == order.store_id, Task.due_date == order.due
    )
    return set((await session.scalars(query)).all())


async def _greeted(session: AsyncSession, order: PushOrder) -> set[tuple[int, str]]:
    """Return (clerk, title) of the festival greetings that were done on the days before."""
    query = select(Task.staff_id, Task.title).where(
        Task.tenant_id == order.tenant_id,
        Task.store_id == order.store_id,
        Task.kind == "holiday",
        Task.state == "done",
        Task.due_date >= order.due - timedelta(days=DAYS_AHEAD),
        Task.due_date < order.due,
    )
    return {(staff_id, title) for staff_id, title in (await session.execute(query)).all()}


async def _with_forecast(material: _Material, due: date, parts: PushParts) -> _Material:
    """Add the forecast, or the reason why the morning goes without: birthdays do not wait for the weather."""
    try:
        return replace(material, forecast=await parts.weather.forecast(place_of(material.store), due))
    except WeatherUnavailable as error:
        return replace(material, reason=str(error))


def _plans(material: _Material, due: date, drafts: Drafts) -> Iterator[_Plan]:
    """Yield every task of the store's day.

    A birthday's key names the member, not the clerk: when the roster changes between two runs, nobody is greeted
    by two clerks.
    """
    for number, member in enumerate(material.members if material.clerks else ()):
        yield _birthday_plan(member, material.clerks[number % len(material.clerks)], due, drafts)
    for clerk in material.clerks:
        if material.forecast is not None:
            yield _weather_plan(material.store, material.forecast, clerk, due, drafts)
        festival = _festival_for(clerk, material, due)
        if festival is not None:
            yield _holiday_plan(material.store, festival, clerk, due, drafts)


def _birthday_plan(member: Member, clerk: Clerk, due: date, drafts: Drafts) -> _Plan:
    to = Recipient.of(member, due)
    title = BIRTHDAY_TITLE.format(address=to.address, id=member.id)[:TITLE_CHARS]
    key = f"birthday:{due}:{member.id}"
    return _Plan(key, clerk.staff_id, "birthday", title, lambda: drafts.birthday(to, due), member.id)


def _weather_plan(store: Store, forecast: Forecast, clerk: Clerk, due: date, drafts: Drafts) -> _Plan:
    title = WEATHER_TITLE.format(city=store.city, sky=forecast.sky.value, low=forecast.low, high=forecast.high)
    key = f"weather:{due}:{store.id}:{clerk.staff_id}"
    to = Recipient(clerk.staff_id)
    return _Plan(key, clerk.staff_id, "weather", title[:TITLE_CHARS], lambda: drafts.weather(to, forecast, due))


def _holiday_plan(store: Store, festival: Festival, clerk: Clerk, due: date, drafts: Drafts) -> _Plan:
    key = f"holiday:{due}:{store.id}:{clerk.staff_id}"
    to = Recipient(clerk.staff_id)
    write = lambda: drafts.festival(to, festival, due)  # noqa: E731 - a plan carries its writing
    return _Plan(key, clerk.staff_id, "holiday", _holiday_title(festival), write)


def _holiday_title(festival: Festival) -> str:
    return (HOLIDAY_TITLE if festival.greeting_allowed else HOLIDAY_CARE_TITLE).format(name=festival.name)


def _festival_for(clerk: Clerk, material: _Material, due: date) -> Festival | None:
    """Return the nearest festival worth a greeting that this clerk has not sent on the days before."""
    return next((f for f in _near(due) if (clerk.staff_id, _holiday_title(f)) not in material.greeted), None)


def _near(due: date) -> list[Festival]:
    near = festivals_near(due, DAYS_AHEAD)
    return [f for f in near if f.wish and (f.day - due).days <= (TERM_DAYS_AHEAD if f.kind == "term" else DAYS_AHEAD)]


async def _write(session: AsyncSession, order: PushOrder, material: _Material, tasks: list[_NewTask]) -> PushResult:
    """Write tasks, cards and outbox rows in one transaction, in the order of their keys (which avoids deadlocks)."""
    made = [await _insert(session, order, task) for task in tasks]
    lines = await tasks_of(session, order.tenant_id, [clerk.staff_id for clerk in material.clerks], order.due)
    result = _result(order, material, sum(made))
    for clerk in material.clerks:
        card = _card(clerk, _of_store(lines, clerk, order), material, order.due)
        if card is None:
            result = replace(result, idle=result.idle + 1)
        elif clerk.address is None:
            result = replace(result, unreachable=(*result.unreachable, clerk.name))
        elif await queue_card(session, order, KIND, clerk.staff_id, clerk.address, card):
            result = replace(result, queued=result.queued + 1)
        else:
            result = replace(result, already=result.already + 1)
    return result


async def _insert(session: AsyncSession, order: PushOrder, task: _NewTask) -> bool:
    plan = task.plan
    values = {
        "tenant_id": order.tenant_id,
        "store_id": order.store_id,
        "staff_id": plan.staff_id,
        "member_id": plan.member_id,
        "kind": plan.kind,
        "title": plan.title,
        "draft": task.draft,
        "due_date": order.due,
        "state": "open",
        "dedupe_key": plan.key,
        "created_at": order.now,
    }
    return await insert_new(session, Task, values) is not None


async def _preview(session: AsyncSession, order: PushOrder, material: _Material, tasks: list[_NewTask]) -> PushResult:
    """Return what a run would send, with nothing written: tasks that are there, then those it would make."""
    lines = await tasks_of(session, order.tenant_id, [clerk.staff_id for clerk in material.clerks], order.due)
    queued = await queued_for(session, order, KIND)
    result = _result(order, material, len(tasks))
    for clerk in material.clerks:
        planned = [task for task in tasks if task.plan.staff_id == clerk.staff_id]
        shown = [*lines.get(clerk.staff_id, []), *_planned_lines(planned, len(lines.get(clerk.staff_id, [])), order)]
        card = _card(clerk, [line for line in shown if line.store_id == order.store_id], material, order.due)
        if card is not None:
            result = _previewed(result, clerk, card, already=clerk.staff_id in queued)
        else:
            result = replace(result, idle=result.idle + 1)
    return result


def _previewed(result: PushResult, clerk: Clerk, card: Card, *, already: bool) -> PushResult:
    if clerk.address is None:
        return replace(result, unreachable=(*result.unreachable, clerk.name))
    preview = Preview(clerk.name, clerk.address.platform, card, already)
    result = replace(result, previews=(*result.previews, preview))
    return replace(result, already=result.already + already, queued=result.queued + (not already))


def _planned_lines(tasks: list[_NewTask], there: int, order: PushOrder) -> list[TaskLine]:
    return [
        TaskLine(there + number, 0, order.store_id, task.plan.title, task.draft) for number, task in enumerate(tasks, 1)
    ]


def _of_store(lines: Mapping[int, list[TaskLine]], clerk: Clerk, order: PushOrder) -> list[TaskLine]:
    return [line for line in lines.get(clerk.staff_id, []) if line.store_id == order.store_id]


def _card(clerk: Clerk, lines: list[TaskLine], material: _Material, due: date) -> Card | None:
    """Return the clerk's card; none when there is nothing to do."""
    if not lines:
        return None
    title = TITLE.format(name=clerk.name, day=due, weekday=WEEKDAYS[due.weekday()])
    footer = NO_WEATHER.format(reason=material.reason) if material.reason else ""
    return replace(task_card(KIND, title, lines, footer), fields=_fields(material.forecast, due))


def _fields(forecast: Forecast | None, due: date) -> tuple[tuple[str, str], ...]:
    """Return the day at a glance: the weather, what the shop should prepare, the next festival."""
    rows: list[tuple[str, str]] = []
    if forecast is not None:
        mark = SAMPLE if forecast.sample else STALE if forecast.stale else ""
        rows.append((FIELD_WEATHER, f"{forecast.sky.value} {forecast.low}~{forecast.high}℃{mark}"))
        rows.append((FIELD_SHOP, advice(forecast)[-1].removeprefix(SHOP_PREFIX)))
    coming = next(iter(festivals_near(due, DAYS_AHEAD)), None)
    if coming is not None:
        rows.append((FIELD_FESTIVAL, lead_words(coming, due)))
    return tuple(rows)


def _result(order: PushOrder, material: _Material, new_tasks: int) -> PushResult:
    notes = [
        NO_WEATHER.format(reason=material.reason) if material.reason else "",
        QUIET.format(count=material.quiet) if material.quiet else "",
        "" if material.clerks else _no_clerks(len(material.members)),
    ]
    kept = tuple(note for note in notes if note)
    return PushResult(order.store_id, material.store.name, KIND, order.due, new_tasks=new_tasks, notes=kept)


def _no_clerks(members: int) -> str:
    return NO_CLERKS.format(count=members) if members else NO_CLERKS_IDLE
