"""A question in, an answer for one phone screen out."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from sqlalchemy import delete

from db.engine import Database
from db.models import Order, OrderItem
from handlers.intents import HandlerError
from handlers.messages import Reply, Table, Text
from handlers.plain import as_text
from handlers.report import EXAMPLE, ReportHandler
from handlers.turn import Person, Trace, Turn
from knowledge.catalogue import load_catalogue
from knowledge.question_parser import QuestionParser
from tests.order_rows import ZONE, write_chain

PARSER = QuestionParser(load_catalogue())
HQ = Person(3, 1, "总部丙", "hq", (1, 2))
MANAGER = Person(2, 1, "店长乙", "manager", (1,))


def turn(text: str, person: Person = HQ, today: date = date(2026, 11, 21)) -> Turn:
    return Turn(person, text, datetime(today.year, today.month, today.day, 10, 30, tzinfo=ZONE), trace=Trace())


async def ask(database: Database, text: str, person: Person = HQ) -> Reply:
    return await ReportHandler(database, PARSER)(turn(text, person))


async def drop_orders_since(database: Database, day: date) -> None:
    async with database.write() as session:
        await session.execute(delete(OrderItem))
        await session.execute(delete(Order).where(Order.business_date >= day))


async def test_the_sample_question_is_answered_with_two_small_tables(database: Database) -> None:
    await write_chain(database)
    reply = await ask(database, EXAMPLE)
    head, by_store, by_day, foot = reply.parts
    assert isinstance(head, Text)
    assert isinstance(by_store, Table)
    assert isinstance(by_day, Table)
    assert isinstance(foot, Text)
    assert len(head.text.splitlines()) <= 6
    assert by_store.columns == ("门店", "GMV", "客单价", "订单数")
    assert (len(by_store.rows), len(by_day.rows)) == (2, 7)
    assert by_day.rows[0][0] == "11-14 周六"
    for word in ("口径：", "期间：2026-11-14~2026-11-20", "筛选：上海一店、杭州一店", "数据截至 11-21"):
        assert word in foot.text
    assert reply.outcome.report is not None
    assert reply.outcome.report["columns"] == ["store", "day", "gmv", "aov", "order_count"]
    assert len(reply.outcome.report["rows"]) == 14
    assert reply.remember["semantic"] == reply.outcome.semantic


async def test_debug_shows_sql_guard_and_steps(database: Database) -> None:
    await write_chain(database)
    asked = turn("最近7天GMV")
    await ReportHandler(database, PARSER)(asked)
    assert asked.trace.guard == {"passed": True, "reason": None, "limit_applied": 20_000}
    assert all(sql.startswith("SELECT") for sql in asked.trace.sql)
    assert {"gen_sql", "run_sql", "compose"} <= set(asked.trace.timings_ms)


async def test_a_manager_gets_their_store_and_no_other(database: Database) -> None:
    await write_chain(database)
    assert "杭州一店" not in as_text((await ask(database, "最近7天各门店GMV", MANAGER)).parts)  # type: ignore[arg-type]
    refused = await ask(database, "杭州一店最近7天GMV", MANAGER)
    assert refused.intent == "refuse"
    assert refused.outcome.report is None


async def test_what_is_not_understood_comes_back_with_three_suggestions(database: Database) -> None:
    await write_chain(database)
    reply = await ask(database, "最近7天门店利润")
    assert reply.intent == "ask_back"
    assert len(reply.remember["suggestions"]) == 3
    for suggestion in reply.remember["suggestions"]:
        assert (await ask(database, suggestion)).intent == "report"


async def test_an_unfinished_period_is_marked(database: Database) -> None:
    await write_chain(database)
    assert "还没结束" in as_text((await ask(database, "本周GMV")).parts)  # type: ignore[arg-type]
    assert "还没结束" not in as_text((await ask(database, "上周GMV")).parts)  # type: ignore[arg-type]


async def test_a_comparison_shows_each_row_against_before(database: Database) -> None:
    await write_chain(database)
    reply = await ask(database, "最近7天各门店GMV环比")
    table = next(part for part in reply.parts if isinstance(part, Table))
    assert all("↑" in row[1] or "↓" in row[1] for row in table.rows)


async def test_an_empty_period_is_said_kindly(database: Database) -> None:
    await write_chain(database)
    await drop_orders_since(database, date(2026, 11, 10))
    text = as_text((await ask(database, "昨天GMV")).parts)  # type: ignore[arg-type]
    assert "还没有订单" in text
    assert "数据最新到 11-0" in text


async def test_a_chain_without_any_order(database: Database) -> None:
    await write_chain(database)
    await drop_orders_since(database, date(2026, 1, 1))
    assert "还没有任何订单数据" in as_text((await ask(database, "昨天GMV")).parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        (EXAMPLE, True),
        ("昨天业绩", True),
        ("各门店复购率排名", True),
        ("这周复购率为什么下降了", False),
        ("GMV下滑的原因", False),
        ("给高价值老客做一个促复购活动，预算3万，7天", False),
        ("今天天气提醒", False),
    ],
)
def test_the_words_that_lead_here(text: str, claimed: bool) -> None:
    pattern = ReportHandler.intent.strong
    assert pattern is not None
    assert bool(pattern.search(text)) is claimed


async def test_the_demo_chain_answers_the_sample_question(seeded: Database) -> None:
    person = Person(1, 1, "总部", "hq", tuple(range(1, 11)))
    reply = await ask(seeded, EXAMPLE, person)
    assert reply.outcome.report is not None
    assert len(reply.outcome.report["rows"]) == 70


async def test_a_manager_who_speaks_of_the_chain_is_told_it_is_their_store_only(database: Database) -> None:
    await write_chain(database)
    for text in ("全国最近7天GMV", "最近7天哪个店卖得最好"):
        assert "只含您负责的 1 家门店" in as_text((await ask(database, text, MANAGER)).parts)  # type: ignore[arg-type]
    assert "只含您负责的" not in as_text((await ask(database, "全国最近7天GMV")).parts)  # type: ignore[arg-type]


async def test_a_city_without_a_store_of_theirs_is_refused(database: Database) -> None:
    await write_chain(database)
    with pytest.raises(HandlerError) as refused:
        await ask(database, "杭州最近7天GMV", MANAGER)
    assert refused.value.intent == "refuse"


async def test_a_ranking_begins_with_the_winner(database: Database) -> None:
    await write_chain(database)
    head, table, *_ = (await ask(database, "最近7天哪个店卖得最好")).parts
    assert isinstance(head, Text)
    assert isinstance(table, Table)
    _, winner, total = head.text.splitlines()
    assert winner == f"最高：{table.rows[0][0]} {table.rows[0][1]}"
    assert total.startswith("合计 GMV")


async def test_a_period_older_than_the_data_says_from_when_it_counts(database: Database) -> None:
    await write_chain(database)
    text = as_text((await ask(database, "今年GMV")).parts)  # type: ignore[arg-type]
    assert "才开始，只算了之后的日子，不作对比。" in text


@pytest.mark.parametrize("text", ["昨天我店卖了多少", "上周笔单价", "昨天利润多少"])
def test_everyday_words_for_numbers_are_claimed(text: str) -> None:
    intent = ReportHandler.intent
    assert intent.strong is not None
    assert intent.weak is not None
    assert intent.strong.search(text) or intent.weak.search(text)
