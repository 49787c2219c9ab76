from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from bot.cli import push as push_command
from bot.config import DatabaseSettings, KnowledgeSettings, Settings
from db.engine import Database
from db.migrate import migrate
from db.models import CardRow, Conversation, Outbox, Schedule, Staff, Store, Task, Tenant
from handlers.codec import load_address, load_card
from handlers.messages import Card
from jobs import PUSHES
from jobs.due import Slot, due_slots, moment_of
from jobs.evening import run_evening
from jobs.morning import run_morning
from jobs.push import PushOrder, PushParts
from jobs.tick import run_due
from knowledge.drafts import Drafts
from knowledge.weather import Forecast, Place, WeatherUnavailable
from knowledge.weather_sample import SampleWeather
from tests.daily_rows import TODAY, add_clerk, add_members, add_tasks, member
from tests.rows import small_chain

EIGHT = datetime(2026, 11, 21, 0, 5, tzinfo=UTC)  # 08:05 in Shanghai
ORDER = PushOrder(1, 1, TODAY, EIGHT, EIGHT + timedelta(hours=2))


@dataclass(frozen=True, slots=True)
class NoWeather:
    async def forecast(self, place: Place, day: date) -> Forecast:
        raise WeatherUnavailable("天气服务没有应答")


def parts_of(database: Database) -> PushParts:
    return PushParts(database, SampleWeather(), Drafts())


def twin(database: Database) -> Database:
    """A second process's view of the same database."""
    return Database(database.url.render_as_string(hide_password=False))


async def shop(database: Database, clerks: int = 2) -> None:
    """Fill the small chain: a second clerk and six birthdays in store 1."""
    await small_chain(database)
    if clerks > 1:
        await add_clerk(database, 4, "店员丁", user_id="clerk4")
    await add_members(database, *(member(100 + n, f"孙{c}") for n, c in enumerate("甲乙丙丁戊己")))


async def count(database: Database, model: type[Any]) -> int:
    async with database.read() as session:
        return int(await session.scalar(select(func.count()).select_from(model)) or 0)


async def outbox(database: Database, kind: str = "morning") -> Sequence[Outbox]:
    async with database.read() as session:
        return (await session.scalars(select(Outbox).where(Outbox.kind == kind).order_by(Outbox.staff_id))).all()


async def card_of(database: Database, staff_id: int, kind: str = "morning") -> Card:
    [row] = [row for row in await outbox(database, kind) if row.staff_id == staff_id]
    return load_card(row.message)


async def test_the_morning_makes_tasks_and_one_card_for_each_clerk(database: Database) -> None:
    await shop(database)
    result = await run_morning(ORDER, parts_of(database))
    assert (result.queued, result.already, result.new_tasks, result.unreachable) == (2, 0, 10, ())
    async with database.read() as session:
        tasks = (await session.scalars(select(Task).where(Task.kind == "birthday").order_by(Task.member_id))).all()
    assert [task.staff_id for task in tasks] == [1, 4, 1, 4, 1, 4]
    assert all(task.draft.startswith("孙女士") or "孙女士" in task.draft for task in tasks)
    card = await card_of(database, 1)
    assert card.title == "早上好，店员甲 · 11-21 周六"
    assert [b.text for b in card.buttons] == ["完成 1", "完成 2", "完成 3", "完成 4", "完成 5"]
    assert dict(card.fields)["节日"] == "明天就是小雪"
    assert "（示例天气）" in dict(card.fields)["天气"]


async def test_the_row_of_the_card_says_what_its_buttons_mean(database: Database) -> None:
    await shop(database)
    await run_morning(ORDER, parts_of(database))
    row = (await outbox(database))[0]
    async with database.read() as session:
        card = await session.get_one(CardRow, row.card_id)
    assert card.public_id.startswith("m-")
    assert (card.kind, card.platform, card.staff_id, card.handle) == ("morning", "wecom", 1, {})
    assert {meaning["action"] for meaning in card.buttons.values()} == {"tasks.done"}
    assert (row.not_before, row.expire_at) == (None, ORDER.expire_at)
    assert load_address(row.address).conversation == row.conversation_key == "user:clerk1"


async def test_running_it_again_queues_nothing(database: Database) -> None:
    await shop(database)
    await run_morning(ORDER, parts_of(database))
    before = [await count(database, model) for model in (Task, CardRow, Outbox)]
    again = await run_morning(replace(ORDER, now=EIGHT + timedelta(minutes=1)), parts_of(database))
    assert (again.queued, again.already, again.new_tasks) == (0, 2, 0)
    assert [await count(database, model) for model in (Task, CardRow, Outbox)] == before == [10, 2, 2]


async def test_two_processes_at_the_same_instant_queue_one_row_for_each_clerk(database: Database) -> None:
    await shop(database)
    other = twin(database)
    runs = (run_morning(ORDER, parts_of(db)) for db in (database, other, database, other, database, other))
    results = await asyncio.gather(*runs)
    await other.close()
    assert sum(result.queued for result in results) == 2
    assert sum(result.already for result in results) == 10
    assert sum(result.new_tasks for result in results) == 10
    assert [await count(database, model) for model in (Task, CardRow, Outbox)] == [10, 2, 2]


async def test_two_ticks_at_the_same_instant_too(database: Database) -> None:
    await shop(database)
    other = twin(database)
    await asyncio.gather(*(run_due(parts_of(db), EIGHT) for db in (database, other)))
    await other.close()
    assert [row.staff_id for row in await outbox(database)] == [1, 4]
    assert await count(database, CardRow) == 2


async def test_a_dry_run_writes_nothing_and_shows_the_cards(database: Database) -> None:
    await shop(database)
    result = await run_morning(replace(ORDER, dry_run=True), parts_of(database))
    assert [await count(database, model) for model in (Task, CardRow, Outbox)] == [0, 0, 0]
    assert (result.queued, result.new_tasks) == (2, 10)
    shown = {preview.staff_name: preview.card for preview in result.previews}
    await run_morning(ORDER, parts_of(database))
    for staff_id, name in ((1, "店员甲"), (4, "店员丁")):
        sent = await card_of(database, staff_id)
        assert (shown[name].title, shown[name].fields) == (sent.title, sent.fields)
        assert shown[name].text.split("其余的回复")[0] == sent.text.split("其余的回复")[0]
    after = await run_morning(replace(ORDER, dry_run=True), parts_of(database))
    assert (after.queued, after.already, after.new_tasks) == (0, 2, 0)


async def test_without_weather_the_birthdays_still_go_out(database: Database) -> None:
    await shop(database)
    result = await run_morning(ORDER, PushParts(database, NoWeather(), Drafts()))
    assert result.queued == 2
    assert result.notes == ("天气暂时查不到（天气服务没有应答），今天没有天气提醒。",)
    card = await card_of(database, 1)
    assert "天气暂时查不到" in card.footer
    assert "生日祝福" in card.text


async def test_a_clerk_without_an_account_is_reported_and_keeps_the_tasks(database: Database) -> None:
    await shop(database, clerks=1)
    await add_clerk(database, 4, "店员丁")
    result = await run_morning(ORDER, parts_of(database))
    assert (result.queued, result.unreachable) == (1, ("店员丁",))
    async with database.read() as session:
        mine = (await session.scalars(select(Task).where(Task.staff_id == 4))).all()
    assert len(mine) == 5


async def test_members_who_want_no_messages_are_left_in_peace(database: Database) -> None:
    await shop(database)
    await add_members(database, member(200, "安静", do_not_disturb=True))
    result = await run_morning(ORDER, parts_of(database))
    assert result.notes == ("1 位今天过生日的会员设了免打扰，没有安排。",)
    assert result.new_tasks == 10


async def test_a_store_without_clerks_says_so(database: Database) -> None:
    await small_chain(database)
    await add_members(database, member(100, "孙甲", store_id=2))
    result = await run_morning(replace(ORDER, store_id=2), parts_of(database))
    assert (result.queued, result.new_tasks) == (0, 0)
    assert result.notes == ("门店没有在岗店员，1 位会员的生日没有人跟进。",)


async def test_nobody_is_greeted_by_two_clerks_when_the_roster_changes(database: Database) -> None:
    await shop(database, clerks=1)
    await run_morning(ORDER, parts_of(database))
    await add_clerk(database, 4, "店员丁", user_id="clerk4")
    result = await run_morning(ORDER, parts_of(database))
    assert (result.queued, result.already) == (1, 1)
    async with database.read() as session:
        query = select(Task.member_id).where(Task.kind == "birthday").order_by(Task.member_id)
        members = (await session.scalars(query)).all()
    assert members == [100, 101, 102, 103, 104, 105]


async def test_a_clerk_who_has_left_gets_nothing(database: Database) -> None:
    await shop(database)
    async with database.write() as session:
        (await session.get_one(Staff, 4)).active = False
    assert (await run_morning(ORDER, parts_of(database))).queued == 1


async def test_the_push_goes_where_the_clerk_last_wrote(database: Database) -> None:
    await shop(database, clerks=1)
    async with database.write() as session:
        for platform, key, minutes in (("wecom", "user:clerk1", 0), ("dingtalk", "user:clerk1", 5)):
            session.add(
                Conversation(
                    tenant_id=1, platform=platform, key=key, context={}, updated_at=EIGHT + timedelta(minutes=minutes)
                )
            )
    await run_morning(ORDER, parts_of(database))
    [row] = await outbox(database)
    assert row.platform == "dingtalk"


async def test_a_festival_greeting_is_not_asked_for_again_once_it_is_done(database: Database) -> None:
    await shop(database, clerks=1)
    holiday = replace(ORDER, due=date(2026, 9, 23))
    await run_morning(holiday, parts_of(database))
    async with database.write() as session:
        task = (await session.scalars(select(Task).where(Task.kind == "holiday"))).one()
        assert task.title == "秋分祝福"
        task.state = "done"
    await run_morning(replace(holiday, due=date(2026, 9, 24)), parts_of(database))
    async with database.write() as session:
        task = (await session.scalars(select(Task).where(Task.kind == "holiday", Task.due_date > holiday.due))).one()
        assert task.title == "中秋节祝福"
        task.state = "done"
    await run_morning(replace(holiday, due=date(2026, 9, 25)), parts_of(database))
    async with database.read() as session:
        titles = (await session.scalars(select(Task.title).where(Task.kind == "holiday"))).all()
    assert titles == ["秋分祝福", "中秋节祝福"]


async def test_the_evening_names_what_is_left_and_is_silent_when_all_is_done(database: Database) -> None:
    await shop(database)
    await add_tasks(database, 3)
    await add_tasks(database, 1, staff_id=4)
    async with database.write() as session:
        for task in (await session.scalars(select(Task))).all():
            task.state = "done" if task.title == "任务1" else "open"
    result = await run_evening(ORDER, parts_of(database))
    assert (result.queued, result.idle) == (1, 1)
    card = await card_of(database, 1, "evening")
    assert card.title == "店员甲，今天还有 2 件没做完"
    assert card.text == "2. 任务2\n3. 任务3"
    again = await run_evening(ORDER, parts_of(database))
    assert (again.queued, again.already) == (0, 1)
    assert await count(database, Outbox) == 1


async def test_two_evenings_at_once_are_one(database: Database) -> None:
    await shop(database)
    await add_tasks(database, 2)
    other = twin(database)
    results = await asyncio.gather(*(run_evening(ORDER, parts_of(db)) for db in (database, other, database, other)))
    await other.close()
    assert sum(result.queued for result in results) == 1
    assert await count(database, CardRow) == 1


async def add_schedule(database: Database, kind: str, at: str, store_id: int | None = None, **more: Any) -> None:
    async with database.write() as session:
        session.add(Schedule(tenant_id=1, kind=kind, store_id=store_id, at=at, **more))


async def slots_at(database: Database, moment: datetime) -> list[Slot]:
    async with database.read() as session:
        return await due_slots(session, moment)


def shanghai(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 21, hour, minute, tzinfo=UTC) - timedelta(hours=8)


async def test_a_slot_is_due_from_its_time_to_the_end_of_its_grace(database: Database) -> None:
    await small_chain(database)
    await add_schedule(database, "morning", "08:00", grace_minutes=90)
    due = {
        moment: [slot.kind for slot in await slots_at(database, moment)]
        for moment in (shanghai(7, 59), shanghai(8), shanghai(9, 29), shanghai(9, 30), shanghai(18))
    }
    assert list(due.values()) == [[], ["morning"] * 2, ["morning"] * 2, [], ["evening"] * 2]
    slot = (await slots_at(database, shanghai(8)))[0]
    assert slot == Slot(1, 1, "morning", TODAY, shanghai(8), shanghai(9, 30))


async def test_a_stores_own_row_counts_before_the_chains(database: Database) -> None:
    await small_chain(database)
    await add_schedule(database, "morning", "08:00")
    await add_schedule(database, "morning", "09:30", store_id=1)
    await add_schedule(database, "evening", "18:00", store_id=2, enabled=False)
    assert [slot.store_id for slot in await slots_at(database, shanghai(8, 10))] == [2]
    assert [slot.store_id for slot in await slots_at(database, shanghai(10, 30))] == [1]
    assert [slot.store_id for slot in await slots_at(database, shanghai(18, 10))] == [1]


async def test_an_unreadable_row_sends_nothing_and_stops_nobody_else(database: Database) -> None:
    await small_chain(database)
    await add_schedule(database, "morning", "8点", store_id=1)
    assert [slot.store_id for slot in await slots_at(database, shanghai(8, 10))] == [2]


async def test_each_store_has_its_own_eight_o_clock(database: Database) -> None:
    await small_chain(database)
    async with database.write() as session:
        (await session.get_one(Store, 2)).timezone = "America/New_York"
    here, there = await slots_at(database, shanghai(8, 10))
    assert (here.store_id, here.kind, here.due_date) == (1, "morning", TODAY)
    assert (there.store_id, there.kind, there.due_date) == (2, "evening", date(2026, 11, 20))  # 19:10 the day before
    [far] = await slots_at(database, datetime(2026, 11, 21, 13, 10, tzinfo=UTC))
    assert (far.store_id, far.kind, far.due_date) == (2, "morning", TODAY)


async def test_a_grace_reaches_past_midnight_with_the_day_it_belongs_to(database: Database) -> None:
    await small_chain(database)
    await add_schedule(database, "evening", "23:30")
    due = await slots_at(database, shanghai(8) + timedelta(hours=16, minutes=30))  # 00:30 on the 22nd
    assert [(slot.kind, slot.due_date) for slot in due] == [("evening", TODAY)] * 2


@pytest.mark.parametrize(
    ("day", "at", "utc"),
    [
        (date(2026, 3, 8), "02:30", "2026-03-08T07:00+00:00"),  # skipped: the first minute after the gap is 03:00
        (date(2026, 11, 1), "01:30", "2026-11-01T05:30+00:00"),  # twice: the first
        (date(2026, 7, 1), "08:00", "2026-07-01T12:00+00:00"),
    ],
)
def test_clocks_that_jump(day: date, at: str, utc: str) -> None:
    assert moment_of(day, time.fromisoformat(at), "America/New_York") == datetime.fromisoformat(utc)


def test_a_whole_day_that_is_skipped() -> None:
    assert moment_of(date(2011, 12, 30), time(8), "Pacific/Apia") == datetime(2011, 12, 30, 10, tzinfo=UTC)


async def test_a_pinned_day_is_pushed_once_however_many_mornings_pass(database: Database) -> None:
    await shop(database)
    async with database.write() as session:
        (await session.get_one(Tenant, 1)).demo_as_of = TODAY
    for morning in (datetime(2027, 3, 1, 0, 5, tzinfo=UTC), datetime(2027, 3, 2, 0, 5, tzinfo=UTC)):
        results = await run_due(parts_of(database), morning)
        assert {result.due for result in results} == {TODAY}
    rows = await outbox(database)
    assert [(row.staff_id, row.due_date) for row in rows] == [(1, TODAY), (4, TODAY)]
    assert rows[0].created_at == datetime(2027, 3, 1, 0, 5, tzinfo=UTC)


async def test_one_stores_failure_does_not_stop_the_next(
    database: Database,
) -> None:
    await shop(database)

    @dataclass(frozen=True, slots=True)
    class FailsForShanghai:
        async def forecast(self, place: Place, day: date) -> Forecast:
            if place.city == "上海":
                raise RuntimeError("a fault nobody thought of")
            return await SampleWeather().forecast(place, day)

    finished: set[Slot] = set()
    results = await run_due(PushParts(database, FailsForShanghai(), Drafts()), EIGHT, finished=finished)
    assert [result.store_id for result in results] == [2]
    assert {slot.store_id for slot in finished} == {2}
    results = await run_due(parts_of(database), EIGHT, finished=finished)
    assert [(result.store_id, result.queued) for result in results] == [(1, 2)]


async def test_a_finished_slot_is_not_worked_out_again_until_it_is_over(database: Database) -> None:
    await shop(database)
    finished: set[Slot] = set()
    await run_due(parts_of(database), EIGHT, finished=finished)
    assert await run_due(parts_of(database), EIGHT + timedelta(minutes=1), finished=finished) == []
    await run_due(parts_of(database), EIGHT + timedelta(hours=5), finished=finished)
    assert finished == set()


def test_every_kind_has_its_push() -> None:
    assert set(PUSHES) == {"morning", "evening"}


@pytest.fixture
async def demo(tmp_path: Path) -> Settings:
    """Settings of an installation with the small chain."""
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'demo.db'}")),
        knowledge=KnowledgeSettings(directory=tmp_path / "chroma"),
        state_directory=tmp_path,
    )
    database = Database(settings.database.url.get_secret_value())
    await migrate(database)
    await shop(database)
    await database.close()
    return settings


async def command(settings: Settings, *words: str) -> int:
    parser = ArgumentParser()
    push_command.register(parser.add_subparsers())
    args = parser.parse_args(["push", *words])
    return int(await args.run(args, settings))


async def rows_of(settings: Settings) -> int:
    database = Database(settings.database.url.get_secret_value())
    counted = await count(database, Outbox) + await count(database, Task) + await count(database, CardRow)
    await database.close()
    return counted


async def test_the_command_shows_what_it_would_send(demo: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command(demo, "morning", "--as-of", "2026-11-21", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "晨间推送 · 2026-11-21（预演，没有写入任何东西）" in shown
    assert "【1 上海一店】会新建任务 10，会发 2，已在队列 0" in shown
    assert "  → 店员甲（企业微信）\n    早上好，店员甲 · 11-21 周六" in shown
    assert "门店没有在岗店员" in shown
    assert await rows_of(demo) == 0


async def test_the_command_queues_and_says_what_was_there(demo: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command(demo, "morning", "--as-of", "2026-11-21", "--store", "1") == 0
    assert "合计：新任务 10，新消息 2，已在队列 0，收不到 0\n消息已放进待发队列" in capsys.readouterr().out
    assert await command(demo, "morning", "--as-of", "2026-11-21", "--store", "1") == 0
    assert "合计：新任务 0，新消息 0，已在队列 2，收不到 0\n" in capsys.readouterr().out
    assert await command(demo, "evening", "--as-of", "2026-11-21", "--dry-run") == 0
    assert "店员甲，今天还有 5 件没做完" in capsys.readouterr().out


async def test_a_store_that_does_not_exist(demo: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command(demo, "morning", "--store", "99") == 2
    assert "没有编号为 99 的门店。现有门店：1 上海一店、2 杭州一店" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("noon",), ("morning", "--as-of", "21.11.2026"), ("morning", "--store", "一号")])
async def test_wrong_words_end_with_2(demo: Settings, words: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as end:
        await command(demo, *words)
    assert end.value.code == 2
