"""Why a number changed: the planted story found, quiet weeks left quiet, and no other store's data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest
from sqlalchemy import update

from db.engine import Database
from db.models import Order
from handlers.diagnose import EXAMPLE, DiagnoseHandler
from handlers.intents import HandlerError
from handlers.messages import Reply, Text
from handlers.turn import Person, Trace, Turn
from knowledge.catalogue import load_catalogue
from knowledge.compiler import Scope
from knowledge.diagnosis import DIAGNOSED, Diagnosis, diagnose
from knowledge.passages import Passage
from knowledge.periods import Period, last_days
from knowledge.question_parser import QuestionParser
from knowledge.stores import load_stores
from tests.order_rows import ZONE, write_chain

TODAY = date(2026, 11, 21)
CATALOGUE = load_catalogue()
HQ = Person(1, 1, "总部", "hq", tuple(range(1, 11)))
ADVICE = Passage(
    "old", "老客到店减少怎么办", "表现：老客变少。\n怎么办：先联系 30 天内没来的高价值老客。", 0.6, ("diagnosis",)
)
WEAK = Passage("weak", "不相干", "别的事。", 0.1, ("diagnosis",), confident=False)


@dataclass(slots=True)
class Shelf:
    """A knowledge base that keeps what it was asked."""

    passages: Sequence[Passage] = (ADVICE,)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        self.asked.append((text, tag))
        return self.passages[:limit]


async def ask(database: Database, text: str, person: Person = HQ, shelf: Shelf | None = None) -> Reply:
    handler = DiagnoseHandler(database, shelf or Shelf(), QuestionParser(CATALOGUE))
    turn = Turn(person, text, datetime(2026, 11, 21, 10, 30, tzinfo=ZONE), trace=Trace())
    return await handler(turn)


def text_of(reply: Reply) -> str:
    [part] = reply.parts
    assert isinstance(part, Text)
    return part.text


async def evidence(database: Database, metric: str, period: Period | None = None, today: date = TODAY) -> Diagnosis:
    scope = Scope(1, await load_stores(database, 1))
    return await diagnose(database, CATALOGUE, scope, metric, period, today, Trace())


async def test_the_planted_story_is_told_in_the_order_of_effect(seeded: Database) -> None:
    text = text_of(await ask(seeded, EXAMPLE))
    store = (await load_stores(seeded, 1))[2].name
    causes = [line for line in text.splitlines() if re.match(r"\d\.", line)]
    assert "老客下单变少" in causes[0]
    assert "新客占比升高" in causes[1]
    assert store in causes[2]
    assert all(cause.endswith("(data)") for cause in causes)
    assert "按最近 7 个完整天" in text
    assert re.search(r"复购率下降了：.*\d\d\.\d%.*\d\d\.\d%", text)
    assert f"《{ADVICE.title}》怎么办：先联系 30 天内没来的高价值老客。 (kb)" in text


async def test_every_number_in_the_evidence_agrees_with_the_report(seeded: Database) -> None:
    found = await evidence(seeded, "repeat_rate")
    by_name = {finding.name: finding for finding in found.findings}
    assert found.change.delta < -0.05
    assert found.change.usual is False
    old, new, pay = by_name["old_customers"], by_name["new_customers"], by_name["payment_failures"]
    assert old.verdict == "supported"
    assert new.verdict == "contributing"
    assert 0.65 < old.numbers["orders_now"] / old.numbers["orders_before"] < 0.75
    assert new.numbers["aov_now"] < new.numbers["aov_before"]
    assert pay.fault
    assert (old.effect or 0) + (new.effect or 0) == pytest.approx(found.change.delta, abs=0.002)


@pytest.mark.parametrize("metric", DIAGNOSED)
async def test_both_engines_find_the_same(seeded: Database, seeded_mariadb: Database, metric: str) -> None:
    one, other = await evidence(seeded, metric), await evidence(seeded_mariadb, metric)
    assert one.as_json() == other.as_json()


@pytest.mark.parametrize("weeks", [2, 3])
async def test_a_quiet_week_has_no_cause(seeded: Database, weeks: int) -> None:
    today = date.fromordinal(TODAY.toordinal() - 7 * weeks + 7)
    found = await evidence(seeded, "repeat_rate", last_days(today, 7), today)
    assert found.change.usual is True
    assert not [finding for finding in found.findings if finding.verdict == "supported" or finding.fault]


async def test_what_cannot_be_checked_is_named(seeded: Database) -> None:
    found = await evidence(seeded, "gmv")
    untestable = {finding.name for finding in found.findings if finding.verdict == "untestable"}
    assert untestable == {"weather", "competitor", "staffing", "reach"}
    assert "查不了（没有数据）：天气、竞品" in text_of(await ask(seeded, "上周GMV为什么下降"))


async def test_the_knowledge_base_is_asked_about_the_causes_and_weak_passages_stay_out(seeded: Database) -> None:
    shelf = Shelf((WEAK,))
    text = text_of(await ask(seeded, EXAMPLE, shelf=shelf))
    assert "(kb)" not in text
    assert shelf.asked[0] == ("复购率变化 老客下单变少 怎么办", "diagnosis")


async def test_a_manager_is_told_about_their_store_alone(seeded: Database) -> None:
    manager = Person(2, 1, "店长", "manager", (1,))
    stores = await load_stores(seeded, 1)
    before = text_of(await ask(seeded, "最近7天GMV为什么下降", manager))
    assert not any(store.name in before for store in stores[1:])
    async with seeded.write() as session:
        await session.execute(update(Order).where(Order.store_id != 1).values(pay_amount=1, status="failed"))
    assert text_of(await ask(seeded, "最近7天GMV为什么下降", manager)) == before
    refused = await ask(seeded, f"{stores[1].name}GMV为什么下降", manager)
    assert refused.intent == "refuse"


async def test_a_rise_is_not_called_a_fall(seeded: Database) -> None:
    manager = Person(2, 1, "店长", "manager", (1,))
    text = text_of(await ask(seeded, "11月14日GMV为什么下降", manager))
    lower, higher = "GMV下降了" in text, "没有下降，是上升的" in text
    assert lower != higher


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("为什么下降了", "想看哪个数字"),
        ("销量为什么下降", "暂时只能分析"),
        ("昨天外卖GMV为什么下降", "按门店或城市"),
        ("99号店GMV为什么下降", "99号店"),
        ("本周和上月GMV为什么下降", "一段时间"),
    ],
)
async def test_what_cannot_be_diagnosed_is_asked_back(seeded: Database, text: str, named: str) -> None:
    assert named in text_of(await ask(seeded, text))


async def test_a_suspicion_nobody_can_check_is_not_swallowed(seeded: Database) -> None:
    assert "没看懂「天气」" in text_of(await ask(seeded, "这周复购率为什么下降了，是不是天气"))


async def test_days_without_data_to_compare_are_refused(seeded: Database) -> None:
    with pytest.raises(HandlerError, match="数据不全"):
        await ask(seeded, "8月25日GMV为什么下降")


async def test_little_history_is_said(database: Database) -> None:
    await write_chain(database)
    person = Person(3, 1, "总部", "hq", (1, 2))
    text = text_of(await ask(database, "10月10日到10月13日GMV为什么下降", person))
    assert "还说不准" in text


@pytest.mark.parametrize(
    ("text", "claimed"),
    [(EXAMPLE, True), ("GMV下滑的原因", True), ("订单怎么回事", True), ("最近7天各门店GMV", False)],
)
def test_the_words_that_lead_here(text: str, claimed: bool) -> None:
    pattern = DiagnoseHandler.intent.strong
    assert pattern is not None
    assert bool(pattern.search(text)) is claimed


async def test_a_number_there_is_none_of_is_named(database: Database) -> None:
    await write_chain(database)
    reply = await ask(database, "利润为什么下降", Person(1, 1, "总部", "hq", (1, 2)))
    assert reply.intent == "ask_back"
    assert text_of(reply).startswith("还没有利润的数据。")
