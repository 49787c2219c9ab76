"""A sentence becomes a plan on a card, with figures from the asker's own stores. On SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from db.engine import Database
from db.models import Member, Order
from db.sql_guard import check
from handlers.messages import Card, Reply, Text
from handlers.plan import PlanAnswerHandler, PlanHandler
from handlers.turn import Person, Turn
from knowledge.campaign import validate_plan
from knowledge.passages import Passage
from tests.plans import CLERK, HQ, MANAGER, NOW
from tests.rows import small_chain

EXAMPLE = "给高价值老客做一个促复购活动，预算3万，7天"


def member(number: int, store: int, spent: int, first_paid_days_ago: int | None, **more: Any) -> Member:
    first = None if first_paid_days_ago is None else NOW - timedelta(days=first_paid_days_ago)
    values: dict[str, Any] = {"level": "普通", "do_not_disturb": False, "birth_month": 5, **more}
    return Member(
        id=number,
        tenant_id=1,
        store_id=store,
        name=f"会员{number}",
        gender="female",
        birth_calendar="solar",
        birth_day=1,
        total_spent=Decimal(spent),
        joined_at=datetime(2026, 1, 1, tzinfo=UTC),
        first_paid_at=first,
        preferences=[],
        **values,
    )


def order(member_id: int | None, store: int, amount: str, days_ago: int, status: str = "paid") -> Order:
    at = NOW - timedelta(days=days_ago)
    return Order(
        tenant_id=1,
        store_id=store,
        member_id=member_id,
        channel="门店",
        status=status,
        total_amount=Decimal(amount),
        discount_amount=Decimal(0),
        pay_amount=Decimal(amount),
        created_at=at,
        business_date=at.date(),
        business_hour=10,
    )


def members() -> list[Member]:
    return [
        member(1, 1, 5000, 80, level="金卡"),
        member(2, 1, 4000, 80, level="钻石", birth_month=11),
        member(3, 1, 3000, 80, do_not_disturb=True),
        member(4, 1, 200, 10),
        member(5, 1, 100, 70),
        member(6, 1, 0, None),
        member(7, 2, 9000, 80, level="金卡"),
        member(8, 2, 50, 30),
    ]


def orders() -> list[Order]:
    return [
        order(1, 1, "200.00", 1),
        order(1, 1, "100.00", 30),
        order(2, 1, "300.50", 2),
        order(2, 1, "900.00", 31),
        order(2, 1, "777.00", 0),
        order(2, 1, "500.00", 3, "failed"),
        order(4, 1, "50.00", 10),
        order(7, 2, "1000.00", 5),
        order(None, 1, "10.00", 5),
    ]


@pytest.fixture
async def chain(database: Database) -> Database:
    await small_chain(database)
    async with database.write() as session:
        session.add_all(members())
        await session.flush()
        session.add_all(orders())
    return database


def turn(text: str, person: Person = MANAGER, context: Mapping[str, Any] | None = None) -> Turn:
    return Turn(person, text, NOW, context=context or {})


async def plan_of(database: Database, text: str, person: Person = MANAGER) -> dict[str, Any]:
    reply = await PlanHandler(database)(turn(text, person))
    assert reply.outcome.plan is not None, text_of(reply)
    return dict(reply.outcome.plan)


def text_of(reply: Reply) -> str:
    return "\n".join(part.text for part in reply.parts if isinstance(part, Text))


def card_of(reply: Reply) -> Card:
    (card,) = reply.parts
    assert isinstance(card, Card)
    return card


async def test_the_example_becomes_a_card_with_two_buttons(chain: Database) -> None:
    reply = await PlanHandler(chain)(turn(EXAMPLE))
    card = card_of(reply)
    assert (reply.intent, card.kind_of_card, card.title) == ("plan", "plan", "活动方案：高价值老客促复购")
    assert [(b.key, b.text, b.action, b.primary) for b in card.buttons] == [
        ("launch", "上架", "plan.launch", True),
        ("drop", "放弃", "plan.drop", False),
    ]
    assert dict(card.fields)["时间"] == "上架起 7 天（今天上架：11月21日至11月27日）"
    assert dict(card.fields)["预算"] == "¥30,000"
    assert card.buttons[0].value["plan"] == reply.outcome.plan == reply.remember["plan"]


async def test_the_plan_is_valid_and_counted_in_the_askers_store(chain: Database) -> None:
    plan = await plan_of(chain, EXAMPLE)
    assert validate_plan(plan)
    # Buyers of store 1 by spending: 5000, 4000, 3000, 200, 100; the best fifth is the first.
    assert plan["target_segment"] == {
        "definition": "高价值老客，共 1 人",
        "rules": [
            "累计消费不低于 ¥5,000（成交会员的前 20%）",
            "首单早于 2026-10-22（30 天以前）",
            "不含设置了免打扰的会员",
            "门店：上海一店",
        ],
    }
    # Member 1 paid 200 and 100 in the last 30 complete days: average 150, threshold 180, 15 per cent of it to fives.
    assert plan["offer"] == {"type": "full_reduction", "threshold": 180, "value": 25, "max_redemptions": 1200}
    assert plan["kpi"]["targets"][0] == ("复购率：前 7 天（2026-11-14 至 2026-11-20）为 0.0%，以本次活动为基线")


async def test_headquarters_counts_every_store(chain: Database) -> None:
    plan = await plan_of(chain, "给老客做促复购活动，预算1万", HQ)
    assert plan["target_segment"]["definition"] == "老客，共 4 人"
    assert plan["target_segment"]["rules"][-1] == "门店：全部门店"
    assert "store_id" not in plan["sql_preview"]


async def test_somebody_without_a_store_counts_nobody(chain: Database) -> None:
    lost = Person(9, 1, "无店", "manager", ())
    reply = await PlanHandler(chain)(turn(EXAMPLE, lost))
    assert text_of(reply).startswith("按「高价值老客」一个会员也没找到")


SEGMENTS = {
    "老客": "老客，共 3 人",
    "新客": "新客，共 1 人",
    "金卡会员": "金卡会员，共 1 人",
    "金卡和钻石会员": "钻石金卡会员，共 2 人",
    "生日会员": "生日会员，共 1 人",
    "沉睡会员": "沉睡会员，共 1 人",
    "没下过单的会员": "未下单会员，共 1 人",
    "会员": "全部会员，共 5 人",
}


async def test_the_members_each_word_means(chain: Database) -> None:
    plans = {words: await plan_of(chain, f"给{words}做活动，满300减50，预算1万") for words in SEGMENTS}
    assert {words: plan["target_segment"]["definition"] for words, plan in plans.items()} == SEGMENTS


async def test_the_shown_sql_passes_the_guard_on_both_engines(chain: Database) -> None:
    for words in SEGMENTS.keys() - {"生日会员"}:
        plan = await plan_of(chain, f"给{words}做活动，满300减50，预算1万")
        for dialect in ("mysql", "sqlite"):
            verdict = check(plan["sql_preview"], dialect)
            assert verdict.passed, verdict.reason


async def test_a_plan_by_birthdays_shows_no_sql_because_birthdays_are_private(chain: Database) -> None:
    assert "sql_preview" not in await plan_of(chain, "给生日会员做活动，满300减50，预算1万，7天")


async def test_the_shown_sql_is_what_ran(chain: Database) -> None:
    asked = turn(EXAMPLE)
    reply = await PlanHandler(chain)(asked)
    assert reply.outcome.plan is not None
    assert reply.outcome.plan["sql_preview"] in asked.trace.sql


# All members of store 1 paid 650.50 in 4 orders, 162.63 on average; a point is worth a cent.
REDEMPTIONS = {
    "满300减50": {"type": "full_reduction", "threshold": 300, "value": 50, "max_redemptions": 200},
    "8折": {"type": "discount", "threshold": 0, "value": 80, "max_redemptions": 307},
    "满200打8折": {"type": "discount", "threshold": 200, "value": 80, "max_redemptions": 250},
    "双倍积分": {"type": "points", "threshold": 0, "value": 2, "max_redemptions": 6148},
}


async def test_redemptions_are_what_the_budget_pays_for(chain: Database) -> None:
    plans = {offer: await plan_of(chain, f"给会员做活动，{offer}，预算1万") for offer in REDEMPTIONS}
    assert {offer: plan["offer"] for offer, plan in plans.items()} == REDEMPTIONS


METRICS = {
    "老客促复购": "repeat_rate",
    "唤醒沉睡会员": "paying_members",
    "拉新": "new_members",
    "提客单": "aov",
    "清库存": "units",
    "促销": "gmv",
}


async def test_each_goal_has_its_metric(chain: Database) -> None:
    plans = {words: await plan_of(chain, f"做一个{words}活动，预算1万") for words in METRICS}
    assert {words: plan["kpi"]["primary"] for words, plan in plans.items()} == METRICS


async def test_a_first_day_is_asked_to_be_kept(chain: Database) -> None:
    reply = await PlanHandler(chain)(turn("给老客做活动，预算1万，从12月1日到12月7日"))
    assert dict(card_of(reply).fields)["时间"] == "12月1日 至 12月7日，共 7 天（请 12月1日 当天上架）"
    assert reply.outcome.plan is not None
    assert "计划 2026-12-01 开始：请当天再上架，上架即生效" in reply.outcome.plan["risk_controls"]


async def test_what_was_assumed_is_said(chain: Database) -> None:
    footer = card_of(await PlanHandler(chain)(turn("做个促销活动，预算1万"))).footer
    assert footer.startswith("没说几天，按 7 天；没说人群，按全部会员；没说优惠，按近 30 天客单价 ¥162.63 和预算算出")


async def test_a_missing_budget_is_asked_for_and_the_answer_completes_the_plan(chain: Database) -> None:
    handler = PlanHandler(chain)
    asked = await handler(turn("给老客做一个促复购活动，10天"))
    assert (asked.intent, asked.outcome.plan) == ("plan", None)
    assert text_of(asked).startswith("好的，给老客促复购，10 天。预算多少？比如：预算3万")
    done = await PlanAnswerHandler(handler)(turn("2万", context=asked.remember))
    assert done.outcome.plan is not None
    assert (done.outcome.plan["budget"], done.outcome.plan["duration_days"]) == (20_000, 10)
    assert done.outcome.plan["goal"] == "老客促复购"


async def test_a_suggested_budget_is_a_sentence_that_works(chain: Database) -> None:
    handler = PlanHandler(chain)
    asked = await handler(turn("给老客做一个促复购活动"))
    done = await handler(turn(asked.remember["suggestions"][1], context=asked.remember))
    assert done.outcome.plan is not None
    assert done.outcome.plan["budget"] == 30_000
    assert done.remember["suggestions"] is None


async def test_a_correction_changes_the_last_plan_and_a_new_sentence_starts_afresh(chain: Database) -> None:
    handler = PlanHandler(chain)
    first = await handler(turn("给老客做促复购活动，满300减50，预算3万"))
    changed = await handler(turn("预算改成5万", context=first.remember))
    fresh = await handler(turn("给新客做活动，预算1万", context=changed.remember))
    assert changed.outcome.plan is not None
    assert fresh.outcome.plan is not None
    assert (changed.outcome.plan["budget"], changed.outcome.plan["offer"]["value"]) == (50_000, 50)
    assert fresh.outcome.plan["goal"] == "新客提升销售"


ABSURD = {
    "给老客做活动，预算-3万，7天": "预算要大于 0",
    "给老客做活动，预算10元": "预算 ¥10 不够一次优惠（每次约让利 ¥30）",
    "给老客做活动，预算1万，0天": "活动时间要在 1 到 365 天之间",
    "给老客做活动，预算1万，从12月1日到11月30日": "结束日期 11月30日 早于开始日期 12月1日",
    "给老客做活动，预算1万，满50减100": "满减的减免 100 元要小于门槛 50 元",
    "给银卡会员做活动，预算1万": "按「银卡会员」一个会员也没找到",
}


async def test_what_cannot_be_is_told_without_a_card(chain: Database) -> None:
    for text, sentence in ABSURD.items():
        reply = await PlanHandler(chain)(turn(text))
        assert (reply.intent, reply.outcome.plan) == ("ask_back", None)
        assert sentence in text_of(reply)


async def test_without_orders_no_offer_is_made_up(database: Database) -> None:
    await small_chain(database)
    async with database.write() as session:
        session.add(member(1, 1, 0, None))
    handler = PlanHandler(database)
    reply = await handler(turn("给会员做活动，预算1万"))
    assert text_of(reply) == "近期没有订单，算不出客单价，请直接说优惠，比如：满300减50"
    said = await handler(turn("给会员做活动，预算1万，满300减50"))
    assert "算出" not in card_of(said).footer


async def test_a_clerk_is_refused_kindly(chain: Database) -> None:
    reply = await PlanHandler(chain)(turn(EXAMPLE, CLERK))
    assert reply.intent == "refuse"
    assert "店长或总部" in text_of(reply)
    assert not reply.remember


@dataclass(frozen=True)
class TwoPassages:
    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        assert (text, tag, limit) == ("老客促复购活动", "campaign", 2)
        near = Passage("a", "满减怎么定", "门槛定在客单价的 1.2 倍。其余不看。", 0.8, ("campaign",))
        return [near, Passage("b", "无关", "别的事。", 0.05, ("campaign",), confident=False)]


async def test_the_knowledge_base_is_quoted_by_name_when_it_fits(chain: Database) -> None:
    reply = await PlanHandler(chain, TwoPassages())(turn("给老客做促复购活动，预算1万"))
    assert reply.outcome.plan is not None
    quoted = [line for line in reply.outcome.plan["risk_controls"] if line.startswith("参考")]
    assert quoted == ["参考《满减怎么定》：门槛定在客单价的 1.2 倍"]


async def test_the_same_sentence_on_the_same_day_is_the_same_plan(chain: Database) -> None:
    assert await plan_of(chain, EXAMPLE) == await plan_of(chain, EXAMPLE)


@pytest.mark.parametrize("named", ["上海一店", "1号店", "上海"])
async def test_a_store_that_is_named_is_the_only_one_counted(chain: Database, named: str) -> None:
    reply = await PlanHandler(chain)(turn(f"给{named}的老客做促复购活动，预算1万", HQ))
    assert reply.outcome.plan is not None
    assert reply.outcome.plan["target_segment"]["rules"][-1] == "门店：上海一店"
    assert dict(card_of(reply).fields)["门店"] == "上海一店"
    assert "store_id IN (1)" in reply.outcome.plan["sql_preview"]


@pytest.mark.parametrize(("person", "named", "intent"), [(MANAGER, "杭州一店", "refuse"), (HQ, "99号店", "ask_back")])
async def test_a_store_that_cannot_be_meant_gets_no_plan(
    chain: Database, person: Person, named: str, intent: str
) -> None:
    reply = await PlanHandler(chain)(turn(f"给{named}的老客做活动，预算1万", person))
    assert (reply.intent, reply.outcome.plan) == (intent, None)
    assert named in text_of(reply)


async def test_a_day_with_the_anniversary_is_no_store(chain: Database) -> None:
    plan = await plan_of(chain, "12月1号店庆做活动，预算1万", HQ)
    assert plan["target_segment"]["rules"][-1] == "门店：全部门店"


async def test_what_the_plan_does_not_follow_is_said_first(chain: Database) -> None:
    footer = card_of(await PlanHandler(chain)(turn("下周给全国老客做活动，预算1万"))).footer
    assert footer.startswith("没看懂「下周」，时间请说日期，比如：12月1日到12月7日；只含您负责的 1 家门店")
