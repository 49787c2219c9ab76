from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from db.engine import Database
from db.models import Task
from handlers.intents import HandlerError
from handlers.messages import Card, Reply, Table, Text
from handlers.tasks import TasksHandler
from tests.daily_rows import HQ, MANAGER, add_clerk, add_tasks, card_in, press, press_value, say, small_sqlite
from tests.rows import small_chain


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[TasksHandler]:
    async with small_sqlite(tmp_path) as database:
        yield TasksHandler(database)


async def rows(database: Database) -> list[Task]:
    async with database.read() as session:
        return list((await session.scalars(select(Task).order_by(Task.id))).all())


def words(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def updated(reply: Reply) -> Card:
    assert reply.card is not None
    return reply.card


async def test_my_tasks_come_as_one_card_with_drafts_and_buttons(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 3)
    card = card_in((await tasks(say("我的任务"))).parts)
    assert "1. **任务1**\n草稿1" in card.text
    assert [button.text for button in card.buttons] == ["完成 1", "完成 2", "完成 3"]
    assert not any(re.search(r"\d$", button.key) for button in card.buttons)


async def test_more_than_five_are_finished_by_words(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 15)
    card = card_in((await tasks(say("今天任务"))).parts)
    assert len(card.buttons) == 5
    assert "「完成 6」" in card.text
    assert "还有 3 件" in card.text
    reply = await tasks(say("完成 6"))
    assert words(reply) == "✅ 第 6 号「任务6」已完成。还剩 14 件。"


async def test_no_tasks(tasks: TasksHandler) -> None:
    assert "今天没有任务" in words(await tasks(say("我的任务")))


async def test_a_press_marks_the_task_done_and_the_card_says_when(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 2)
    card = card_in((await tasks(say("我的任务"))).parts)
    after = updated(await tasks(press(card, card.buttons[0].key)))
    assert "1. ✅ 任务1（10:30 已完成）" in after.text
    assert [button.text for button in after.buttons] == ["完成 2"]
    assert after.state == "✅ 已完成 1/2"
    first = (await rows(tasks.database))[0]
    assert first.state == "done"
    assert first.evidence == {"how": "button", "card": "c-1", "by": 1, "at": "2026-11-21T10:30:00+08:00"}


async def test_a_second_press_changes_nothing_and_says_so(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 2)
    card = card_in((await tasks(say("我的任务"))).parts)
    turn = press(card, card.buttons[0].key)
    await tasks(turn)
    before = (await rows(tasks.database))[0].done_at
    again = updated(await tasks(replace(turn, now=turn.now.replace(hour=15))))
    assert again.state == "第 1 号「任务1」10:30 就已经完成了，没有重复记录。"
    assert (await rows(tasks.database))[0].done_at == before


async def test_two_presses_at_once_are_one(database: Database) -> None:
    await small_chain(database)
    tasks = TasksHandler(database)
    await add_tasks(tasks.database, 1)
    card = card_in((await tasks(say("我的任务"))).parts)
    other = TasksHandler(Database(tasks.database.url.render_as_string(hide_password=False)))
    turn = press(card, card.buttons[0].key)
    cards = [updated(reply) for reply in await asyncio.gather(*(h(turn) for h in (tasks, other, tasks, other)))]
    await other.database.close()
    assert sum(card.state == "✅ 全部完成" for card in cards) == 1
    assert sum("没有重复记录" in card.state for card in cards) == 3


async def test_the_last_task_ends_the_card(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 1)
    card = card_in((await tasks(say("我的任务"))).parts)
    after = updated(await tasks(press(card, card.buttons[0].key)))
    assert (after.buttons, after.state) == ((), "✅ 全部完成")
    assert "辛苦了" not in after.text


async def test_numbers_stay_when_tasks_are_done(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 3)
    await tasks(say("完成 1"))
    card = card_in((await tasks(say("我的任务"))).parts)
    assert [button.text for button in card.buttons] == ["完成 2", "完成 3"]
    reply = await tasks(say("完成第3个"))
    assert "「任务3」已完成" in words(reply)


async def test_a_number_that_is_not_there(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 2)
    with pytest.raises(HandlerError, match="没有第 9 号任务，您今天有 2 件"):
        await tasks(say("完成 9"))


async def test_somebody_elses_task_cannot_be_marked(tasks: TasksHandler) -> None:
    await add_clerk(tasks.database, 4, "店员丁")
    await add_tasks(tasks.database, 1, staff_id=4)
    [foreign] = await rows(tasks.database)
    card = Card("tasks", "今天的任务")
    for value in ({"task_id": foreign.id}, {"task_id": 999}, {"task_id": "1"}, {}):
        with pytest.raises(HandlerError, match="不是您的任务"):
            await tasks(press_value(card, "tasks.done", value))
    assert (await rows(tasks.database))[0].state == "open"


async def test_a_single_draft_card_ends_when_its_task_is_done(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 1)
    [task] = await rows(tasks.database)
    card = Card("birthday", "王女士的生日祝福", text="王女士，生日快乐")
    turn = press_value(card, "tasks.done", {"task_id": task.id})
    first, second = updated(await tasks(turn)), updated(await tasks(turn))
    assert (first.state, first.text, first.buttons) == ("✅ 10:30 已完成", "王女士，生日快乐", ())
    assert second.state == "✅ 10:30 已经完成，没有重复记录"


async def test_a_morning_card_shows_its_stores_tasks_only(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 2)
    await add_tasks(tasks.database, 1, store_id=2)
    async with tasks.database.read() as session:
        from_db = (await session.scalars(select(Task).where(Task.store_id == 1))).all()
    card = Card("morning", "早上好", footer="说明", fields=(("天气", "晴"),))
    after = updated(await tasks(press_value(card, "tasks.done", {"task_id": from_db[0].id})))
    assert after.state == "✅ 已完成 1/2"
    assert (after.footer, after.fields) == ("说明", (("天气", "晴"),))


async def test_an_expired_task_is_left_alone(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 1)
    async with tasks.database.write() as session:
        task = (await session.scalars(select(Task))).one()
        task.state = "expired"
    reply = await tasks(say("完成 1"))
    assert "现在是「已过期」" in words(reply)


async def test_a_manager_sees_counts_of_the_store(database: Database) -> None:
    await small_chain(database)
    tasks = TasksHandler(database)
    await add_tasks(tasks.database, 3)
    await add_tasks(tasks.database, 2, staff_id=3, store_id=2)
    await tasks(say("完成 2"))
    [table] = (await tasks(say("任务进度", MANAGER))).parts
    assert isinstance(table, Table)
    assert table.rows == (("上海一店", "店员甲", "1", "2"),)


async def test_headquarters_without_tasks_in_any_store(tasks: TasksHandler) -> None:
    [text] = (await tasks(say("任务进度", HQ))).parts
    assert isinstance(text, Text)
    assert "还没有任务" in text.text


async def test_yesterdays_tasks_are_not_todays(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 1, due=date(2026, 11, 20))
    assert "今天没有任务" in words(await tasks(say("我的任务")))


async def test_a_button_keeps_its_key_when_others_are_done(tasks: TasksHandler) -> None:
    await add_tasks(tasks.database, 3)
    before = card_in((await tasks(say("我的任务"))).parts)
    await tasks(say("完成 1"))
    after = card_in((await tasks(say("我的任务"))).parts)
    assert {b.key: b.value for b in after.buttons}.items() <= {b.key: b.value for b in before.buttons}.items()


@pytest.mark.parametrize("text", ["完成 3", "做完了2", "搞定第1个", "我的任务", "还有什么没做", "今天任务"])
def test_what_is_said_about_tasks_is_claimed(text: str) -> None:
    assert TasksHandler.intent.strong is not None
    assert TasksHandler.intent.strong.search(text)


@pytest.mark.parametrize("text", ["完成率怎么样", "本月完成 300 万GMV了吗", "最近7天GMV"])
def test_other_sentences_are_not(text: str) -> None:
    assert TasksHandler.intent.strong is not None
    assert not TasksHandler.intent.strong.search(text)
