from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import Task
from handlers.birthday import BirthdayHandler, clerk_words
from handlers.member_search import Wanted, read_wanted
from handlers.messages import Card, Reply, Text
from knowledge.drafts import Drafts
from tests.daily_rows import (
    CLERK,
    HQ,
    TODAY,
    add_members,
    add_tasks,
    card_in,
    member,
    press,
    press_value,
    say,
    small_sqlite,
)


@pytest.fixture
async def birthday(tmp_path: Path) -> AsyncIterator[BirthdayHandler]:
    async with small_sqlite(tmp_path) as database:
        await add_members(
            database,
            member(1024, "王芳"),
            member(1025, "李雷", gender="male", birth_month=3, birth_day=8, preferences=[]),
            member(1026, "欧阳娜娜", birth_calendar="lunar", birth_month=8, birth_day=15),
            member(1027, "赵敏", gender="unknown", birth_month=12, do_not_disturb=True),
            member(2001, "周杰", store_id=2, gender="male"),
        )
        yield BirthdayHandler(database, Drafts())


async def ask(birthday: BirthdayHandler, text: str) -> Card:
    return card_in((await birthday(say(text))).parts)


def changed(reply: Reply) -> Card:
    assert reply.card is not None
    return reply.card


@pytest.mark.parametrize("text", ["给王女士写个生日祝福", "给会员 1024 写生日祝福", "帮我给王芳编一条生日祝福"])
async def test_a_member_is_found_by_title_number_and_name(birthday: BirthdayHandler, text: str) -> None:
    card = await ask(birthday, text)
    assert card.title == "王女士的生日祝福"
    assert "王女士" in card.text
    assert dict(card.fields) == {
        "会员": "王芳 · 1024",
        "等级": "金卡",
        "生日": "11月21日，就是今天",
        "偏好": "羊绒",
    }
    assert [button.text for button in card.buttons] == ["换一条"]


async def test_a_compound_surname_is_one(birthday: BirthdayHandler) -> None:
    assert (await ask(birthday, "给欧阳女士写个生日祝福")).title == "欧阳女士的生日祝福"
    plain = await ask(birthday, "给欧女士写个生日祝福")
    assert "没有找到「欧女士」" in plain.text


async def test_an_unknown_gender_is_addressed_by_the_full_name(birthday: BirthdayHandler) -> None:
    card = await ask(birthday, "给赵敏写个生日祝福")
    assert card.title == "赵敏的生日祝福"
    assert "免打扰" in card.text


async def test_the_clerks_words_find_their_way_into_the_draft(birthday: BirthdayHandler) -> None:
    assert "羊绒大衣" in (await ask(birthday, "给王女士写个生日祝福，她刚买了羊绒大衣")).text
    assert "请按需添上" in (await ask(birthday, "给王女士写个生日祝福，她升职了")).text


async def test_another_one_is_another_text_on_the_same_card(birthday: BirthdayHandler) -> None:
    card = await ask(birthday, "给王女士写个生日祝福，她刚买了羊绒大衣")
    second = changed(await birthday(press(card, "again")))
    third = changed(await birthday(press(second, "again")))
    assert len({card.text, second.text, third.text}) == 3
    assert all("羊绒大衣" in c.text for c in (card, second, third))
    assert card.title == second.title == third.title


async def test_nobody_of_the_name_gets_a_plain_greeting_that_says_so(birthday: BirthdayHandler) -> None:
    card = await ask(birthday, "祝韩梅梅生日快乐")
    assert card.text.startswith("韩梅梅，")
    assert "没有用任何会员资料" in card.text
    assert card.fields == ()
    again = changed(await birthday(press(card, "again")))
    assert again.text != card.text
    assert "没有用任何会员资料" in again.text


async def test_a_member_of_another_store_looks_exactly_like_nobody(birthday: BirthdayHandler) -> None:
    def anonymous(card: Card, number: str) -> Card:
        button = replace(card.buttons[0], value={})
        return replace(card, text=card.text.replace(number, "N"), buttons=(button,))

    foreign, unknown = await ask(birthday, "给会员 2001 写生日祝福"), await ask(birthday, "给会员 9999 写生日祝福")
    assert anonymous(foreign, "2001") == anonymous(unknown, "9999")
    by_name = await ask(birthday, "给周先生写个生日祝福")
    assert "没有找到「周先生」" in by_name.text
    assert "周杰" not in str(by_name)


async def test_headquarters_find_the_members_of_every_store(birthday: BirthdayHandler) -> None:
    reply = await birthday(say("给会员 2001 写生日祝福", HQ))
    assert card_in(reply.parts).title == "周先生的生日祝福"


async def test_a_press_is_checked_against_the_stores_of_who_presses(birthday: BirthdayHandler) -> None:
    turn = press_value(Card("birthday", "t"), "birthday.pick", {"member_id": 2001, "again": 0, "extra": ""})
    card = changed(await birthday(turn))
    assert "没有找到「会员 2001」" in card.text
    assert "周" not in card.text


async def test_of_several_the_one_whose_birthday_it_is_comes_first(birthday: BirthdayHandler) -> None:
    await add_members(birthday.database, member(1030, "王丽", birth_month=5), member(1031, "王霞", birth_month=6))
    card = await ask(birthday, "给王女士写个生日祝福")
    assert dict(card.fields)["会员"] == "王芳 · 1024"
    assert "「王女士」有 3 位" in card.text


async def test_several_without_a_birthday_today_are_asked_about(birthday: BirthdayHandler) -> None:
    await add_members(
        birthday.database, *(member(1100 + n, f"孙{c}", birth_month=1 + n) for n, c in enumerate("甲乙丙丁戊己庚"))
    )
    reply = await birthday(say("给孙女士写个生日祝福，她刚买了羊绒大衣"))
    card = card_in(reply.parts)
    assert card.title == "「孙女士」有 7 位，是哪一位？"
    draft = reply.parts[0]
    assert isinstance(draft, Text)
    assert "孙女士" in draft.text
    assert len(card.buttons) == 5
    assert "还有 2 位没列出" in card.text
    assert reply.remember["suggestions"][0] == "给会员 1100 写生日祝福，她刚买了羊绒大衣"
    chosen = changed(await birthday(press(card, "pick-b")))
    assert dict(chosen.fields)["会员"] == "孙乙 · 1101"
    assert "羊绒大衣" in chosen.text


async def test_a_name_with_wildcards_is_only_a_name(birthday: BirthdayHandler) -> None:
    reply = await birthday(say("给%写生日祝福"))
    assert "王芳" in str(reply.parts)  # nobody is named, so it tells whose birthday it is


async def test_the_sent_button_belongs_to_the_persons_own_open_task(birthday: BirthdayHandler) -> None:
    await add_tasks(birthday.database, 1)
    async with birthday.database.write() as session:
        task = (await session.scalars(select(Task))).one()
        task.kind, task.member_id = "birthday", 1024
        task_id = task.id
    card = await ask(birthday, "给会员 1024 写生日祝福")
    sent = card.buttons[0]
    assert (sent.text, sent.action, dict(sent.value)) == ("已发送", "tasks.done", {"task_id": task_id})


async def test_whose_birthday_is_it(birthday: BirthdayHandler) -> None:
    reply = await birthday(say("今天谁过生日"))
    [text] = reply.parts
    assert isinstance(text, Text)
    assert "1. 王芳（会员 1024，金卡，生日 11月21日，就是今天）" in text.text
    assert reply.outcome.report is not None
    assert reply.outcome.report["rows"] == [[1024, "王芳", "金卡", "11月21日"]]


async def test_nobody_has_a_birthday_tomorrow(birthday: BirthdayHandler) -> None:
    [text] = (await birthday(say("明天谁过生日"))).parts
    assert isinstance(text, Text)
    assert text.text == "明天没有会员过生日。"


async def test_she_is_the_member_spoken_of_before(birthday: BirthdayHandler) -> None:
    first = await birthday(say("给王女士写个生日祝福"))
    card = card_in((await birthday(say("给她写个生日祝福，她刚买了羊绒大衣", context=first.remember))).parts)
    assert dict(card.fields)["会员"] == "王芳 · 1024"


async def test_a_person_without_stores_sees_nobody(birthday: BirthdayHandler) -> None:
    nobody = replace(CLERK, store_ids=())
    assert "没有找到" in card_in((await birthday(say("给会员 1024 写生日祝福", nobody))).parts).text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("给王女士写个生日祝福", Wanted(None, "王", "female")),
        ("王先生今天生日，帮我写个祝福", Wanted(None, "王", "male")),
        ("给会员1024写生日祝福", Wanted(1024)),
        ("给1024号会员写生日祝福", Wanted(1024)),
        ("给会员 99999999999999999999 写生日祝福", Wanted(None)),
        ("给我的老顾客李雷写个生日祝福", Wanted(None, "李雷")),
        ("帮我写个生日祝福", Wanted()),
        ("写个生日祝福", Wanted()),
        ("给王芳女士发生日祝福", Wanted(None, "王芳", "female")),
        ("给欧阳女士写个生日祝福", Wanted(None, "欧阳", "female")),
    ],
)
def test_whom_a_sentence_means(text: str, wanted: Wanted) -> None:
    if text == "给会员 99999999999999999999 写生日祝福":
        assert read_wanted(text).member_id in {None, 999999999999999999}
    else:
        assert read_wanted(text) == wanted


def test_the_clerks_own_words_are_what_is_no_request() -> None:
    assert clerk_words("给王女士写个生日祝福，她刚买了羊绒大衣。") == "她刚买了羊绒大衣"
    assert clerk_words("王女士今天生日，帮我写个祝福") == ""


@pytest.mark.parametrize(
    "text", ["给王女士写个生日祝福", "今天谁过生日", "祝李雷生日快乐", "本周过生日的会员", "王女士今天过生日"]
)
def test_what_is_said_about_birthdays_is_claimed(text: str) -> None:
    assert BirthdayHandler.intent.strong is not None
    assert BirthdayHandler.intent.strong.search(text)


@pytest.mark.parametrize("text", ["生日券活动效果如何", "给高价值老客做一个促复购活动", "最近7天GMV"])
def test_other_sentences_are_not(text: str) -> None:
    assert BirthdayHandler.intent.strong is not None
    assert not BirthdayHandler.intent.strong.search(text)


async def test_today_is_the_turns_day(birthday: BirthdayHandler) -> None:
    turn = say("今天谁过生日")
    reply = await birthday(replace(turn, now=turn.now.replace(month=3, day=8)))
    assert "李雷" in str(reply.parts)
    assert turn.now.date() == TODAY


async def test_a_greeting_before_its_day_says_so(birthday: BirthdayHandler) -> None:
    early = await ask(birthday, "给会员 1025 写生日祝福")
    assert early.text.endswith("生日还没到，这条请到那天再发。")
    assert "还没到" not in (await ask(birthday, "给会员 1024 写生日祝福")).text
