"""A sentence to a campaign plan on a card with 上架.

sentence (and what earlier ones said) → request → members and orders by SQL → plan → card
         └── no budget → ask back, remember what was understood
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from db.engine import Database
from handlers.intents import Intent
from handlers.messages import Button, Card, Outcome, Reply, Text
from handlers.turn import MAY_LAUNCH, Person, Turn
from knowledge.amounts import NUMBER, yuan
from knowledge.campaign import CampaignPlan, PlanInvalid, plan_json
from knowledge.campaign_draft import AOV_DAYS, DEFAULT_DAYS, DEFAULT_GOAL, Facts, draft_plan, offer_words
from knowledge.campaign_request import PlanRequest, read_request, read_requests
from knowledge.campaign_segment import ALL_MEMBERS, Scope, ScopedQueries, Segment, find_segment, read_buying
from knowledge.passages import KnowledgeBase, Passage
from knowledge.question_parser import NO_SUCH_STORE
from knowledge.question_reader import read_words
from knowledge.stores import StoreRef, load_stores
from knowledge.vocabulary import StoreWord, ValueWord, filler_words, store_words

EXAMPLE = "给高价值老客做一个促复购活动，预算3万，7天"
ASK_BUDGET = "好的，{understood}。预算多少？比如：预算3万（也可以回复数字）"
BUDGET_ANSWERS = ("预算1万", "预算3万", "预算5万")
CLERK = "做活动要店长或总部来定。您可以把想法告诉店长；生日祝福、天气提醒和今天的任务可以直接问我。"
TITLE = "活动方案：{goal}"
LAUNCH = "上架"
DROP = "放弃"
FROM_LAUNCH = "上架起 {days} 天（今天上架：{first}至{last}）"
FROM_DAY = "{first} 至 {last}，共 {days} 天（请 {first} 当天上架）"
BODY = "**目标**\n{targets}\n**风控**\n{risks}"
DAYS_ASSUMED = f"没说几天，按 {DEFAULT_DAYS} 天"
ALL_ASSUMED = "没说人群，按全部会员"
OFFER_ASSUMED = "没说优惠，按近 30 天客单价 {aov} 和预算算出"
WHEN_UNREAD = "没看懂「{words}」，时间请说日期，比如：12月1日到12月7日"
OWN_STORES = "只含您负责的 {count} 家门店"
NOT_YOURS = "「{names}」不在您负责的门店里，不能给它做活动。"
STORES_NAMED = 5
NO_STORES = ("店庆", "店长", "店员")  # 12月3号店庆 names a day, not store 3
COUNTED = "人数为会员表此刻的统计；要改就直接说，比如：预算改成5万"

CHANNEL_NAMES = {"app_push": "APP 推送", "sms": "短信", "wechat": "微信"}
TEXTS_KEPT = 6
PASSAGES = 2

# Whole sentences only: money moves on these words, and 「先别上架」 or 「上架新品做个活动」 must not match.
_LAUNCH_LEAD = "(?:好的?|行|可以|没问题|确认|同意|请|那就?|就|帮我|帮忙|马上|现在|立即|立刻|把|按)"
_PLAN_NAME = "(?:这个|该|上面的?|刚才的?|这份|活动|方案|计划|优惠券|券)"
_BLANK = r"[\s，,。.!！~]"
LAUNCH_WORDS = re.compile(
    rf"^(?:{_LAUNCH_LEAD}|{_PLAN_NAME}|{_BLANK})*+(?:执行|上架|发布)(?:一下|{_PLAN_NAME}|吧|啊|呀|哦|了|{_BLANK})*+$"
)
DROP_WORDS = re.compile(
    rf"^(?:{_LAUNCH_LEAD}|{_PLAN_NAME}|{_BLANK})*+(?:放弃|作废|不做了|不要了)(?:{_PLAN_NAME}|吧|了|{_BLANK})*+$"
)
_TOPIC = "活动|优惠券|预算|促销|方案|拉新|唤醒|召回|清库存|发券"
_ABOUT_PLANS = rf"^(?!{LAUNCH_WORDS.pattern[1:]})(?!{DROP_WORDS.pattern[1:]})(?=.*(?:{_TOPIC}))"
# A question about campaigns belongs to reports, diagnosis and the knowledge base; here only if none of them wants it.
_ASKING = "为什么|多少|怎么(?!样)|如何|趋势|报表|哪些|是什么|什么是"
PLAN_WORDS = re.compile(rf"{_ABOUT_PLANS}(?!.*(?:{_ASKING}))", re.S)
# The answer to a question back, or a correction, says nothing but amounts and days: 3万, 改成10天, 满300减50.
_ANSWER_WORD = (
    "预算|改成|改为|换成|那就?|就|大概|大约|约|时间|优惠|改|[元块钱天周月折满减打双倍]|个月|半|积分|左右|以内|吧"
)
ANSWER_WORDS = re.compile(
    rf"^(?!\s*\d\s*$)(?=.*(?:\d|[一二两三四五六七八九十半双]))(?:{NUMBER}|{_ANSWER_WORD}|{_BLANK}|、)++$"
)
_WHEN = re.compile(
    "[上下]{1,2}个?(?:(?:周|星期|礼拜)[一二三四五六日天]?|月)|(?:这|本)?周末|(?:这|本)?(?:周|星期|礼拜)[一二三四五六日天]"
    "|明天|后天|双(?:十一|十二|11|12)|元旦|春节|元宵|情人节|清明|端午|七夕|中秋|国庆|圣诞节?|明年"
)
_WHOLE = re.compile("全国|全公司|集团|(?:全部|所有|各)的?(?:门店|店)")
_NEW_CAMPAIGN = re.compile("活动|促销|方案|优惠券")
_CORRECTION = re.compile("改成|改为|改到|换成|调到|调成")


@dataclass(frozen=True, slots=True)
class PlanHandler:
    """Makes a plan from a sentence, or from several: an answer to its question and a correction change the last one."""

    database: Database
    knowledge: KnowledgeBase | None = None
    intent: ClassVar[Intent] = Intent(
        "plan", strong=PLAN_WORDS, weak=re.compile(_ABOUT_PLANS, re.S), example=EXAMPLE, roles=MAY_LAUNCH
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return the card, a question back, or what cannot be."""
        if turn.person.role not in MAY_LAUNCH:
            return Reply.say("refuse", CLERK)
        try:
            return await self._answer(turn)
        except PlanInvalid as invalid:
            return Reply.say("ask_back", "\n".join(invalid.sentences))

    async def _answer(self, turn: Turn) -> Reply:
        today = turn.now.date()
        texts = _texts(turn, today)
        request = read_requests(texts, today)
        stores = _stores_named(texts, today, await load_stores(self.database, turn.person.tenant_id))
        foreign = [store.name for store in stores if store.id not in turn.person.store_ids]
        if foreign:
            return Reply.say("refuse", NOT_YOURS.format(names="、".join(foreign[:STORES_NAMED])))
        if request.budget is None:
            return _ask_budget(request, texts)
        facts = await self._facts(turn, request, stores)
        passages = await self._passages(turn, request, facts)
        with turn.trace.step("compose"):
            plan = draft_plan(request, request.budget, facts, passages)
            notes = _unread(texts, request, turn.person)
            card = _card(plan, request, facts, today, stores, notes)
        remembered = {"plan": plan_json(plan), "plan_texts": texts, "suggestions": None}
        return Reply("plan", (card,), outcome=Outcome(plan=plan_json(plan)), remember=remembered)

    async def _facts(self, turn: Turn, request: PlanRequest, stores: Sequence[StoreRef]) -> Facts:
        person = turn.person
        named = tuple(store.id for store in stores)
        scope = Scope(person.tenant_id, named or person.store_ids, person.chain_wide and not named)
        async with self.database.read() as session:
            queries = ScopedQueries(session, scope)
            with turn.trace.step("run_sql"):
                segment = await find_segment(queries, _segments(request), turn.now)
                buying = await read_buying(queries, turn.now.date(), request.days or DEFAULT_DAYS, segment)
                aov = await _aov(queries, turn.now.date(), segment)
        turn.trace.sql.extend(queries.ran)
        return Facts(segment, buying, aov)

    async def _passages(self, turn: Turn, request: PlanRequest, facts: Facts) -> Sequence[Passage]:
        if self.knowledge is None:
            return ()
        subject = f"{facts.segment.name}{request.goal or DEFAULT_GOAL}活动"
        with turn.trace.step("retrieve_kb"):
            found = await self.knowledge.search(subject, tag="campaign", limit=PASSAGES)
        return [passage for passage in found if passage.confident]


@dataclass(frozen=True, slots=True)
class PlanAnswerHandler:
    """Takes a bare amount or length, 「3万」 or 「改成10天」, as a word on the plan the conversation is about."""

    plan: PlanHandler
    intent: ClassVar[Intent] = Intent("plan", strong=ANSWER_WORDS, needs_context="plan_texts")

    async def __call__(self, turn: Turn) -> Reply:
        """Return what the plan handler answers."""
        return await self.plan(turn)


def _texts(turn: Turn, today: date) -> list[str]:
    """Return the sentences this plan rests on: this one alone, or those before it too when it only adds to them."""
    before = turn.context.get("plan_texts") or []
    return [*before, turn.text][-TEXTS_KEPT:] if before and _adds(turn.text, today) else [turn.text]


def _stores_named(texts: Sequence[str], today: date, stores: Sequence[StoreRef]) -> tuple[StoreRef, ...]:
    """Return the stores that the sentences name, by name, number or city; the last sentence that names any counts."""
    for text in reversed(texts):
        words = read_words(text, today, stores, (filler_words(NO_STORES), store_words(stores)))
        if missing := [word.said for word in words if isinstance(word, StoreWord) and not word.stores]:
            raise PlanInvalid([NO_SUCH_STORE.format(said=missing[0], count=len(stores))])
        ids = {store.id for word in words if isinstance(word, StoreWord) for store in word.stores}
        cities = {word.value for word in words if isinstance(word, ValueWord)}
        found = tuple(store for store in stores if store.id in ids or store.city in cities)
        if found:
            return found
    return ()


def _unread(texts: Sequence[str], request: PlanRequest, person: Person) -> list[str]:
    """Return what the sentences say and the plan does not follow."""
    when = next((found[0] for text in reversed(texts) if (found := _WHEN.search(text))), None)
    whole = not person.chain_wide and any(_WHOLE.search(text) for text in texts)
    notes = [WHEN_UNREAD.format(words=when)] if when and request.starts_on is None else []
    return [*notes, OWN_STORES.format(count=len(person.store_ids))] if whole else notes


def _adds(text: str, today: date) -> bool:
    if _CORRECTION.search(text):
        return True
    request = read_request(text, today)
    return request.goal is None and request.segments is None and not _NEW_CAMPAIGN.search(text)


async def _aov(queries: ScopedQueries, today: date, segment: Segment) -> Decimal | None:
    """Return the average order of these members, or of the whole scope when they bought nothing."""
    theirs = (await read_buying(queries, today, AOV_DAYS, segment)).aov
    return theirs or (await read_buying(queries, today, AOV_DAYS)).aov


def _segments(request: PlanRequest) -> tuple[str, ...]:
    """Return whom it is for; new customers are won among those who registered and never bought."""
    if request.segments is None:
        return ("未下单",) if request.goal == "拉新" else ()
    return request.segments


def _ask_budget(request: PlanRequest, texts: list[str]) -> Reply:
    whom = "".join(_segments(request)) or ALL_MEMBERS
    length = f"，{request.days} 天" if request.days else ""
    understood = f"给{whom}{request.goal or DEFAULT_GOAL}{length}"
    options = "\n".join(f"{number}. {answer}" for number, answer in enumerate(BUDGET_ANSWERS, 1))
    text = Text(f"{ASK_BUDGET.format(understood=understood)}\n{options}")
    return Reply("plan", (text,), remember={"plan_texts": texts, "suggestions": list(BUDGET_ANSWERS)})


def _card(
    plan: CampaignPlan,
    request: PlanRequest,
    facts: Facts,
    today: date,
    stores: Sequence[StoreRef],
    notes: Sequence[str],
) -> Card:
    value: dict[str, Any] = {"plan": plan_json(plan)}
    fields = (
        *([("门店", _names(stores))] if stores else []),
        ("人群", plan.target_segment.definition),
        ("优惠", f"{offer_words(plan.offer)}，最多 {plan.offer.max_redemptions} 次"),
        ("预算", yuan(plan.budget)),
        ("时间", _dates(plan, request, today)),
        ("渠道", "、".join(CHANNEL_NAMES[channel] for channel in plan.channels)),
    )
    return Card(
        kind_of_card="plan",
        title=TITLE.format(goal=plan.goal),
        text=BODY.format(targets=_list(plan.kpi.targets), risks=_list(plan.risk_controls)),
        fields=fields,
        buttons=(
            Button("launch", LAUNCH, "plan.launch", value, primary=True),
            Button("drop", DROP, "plan.drop", value),
        ),
        footer="；".join([*notes, *_assumptions(request, facts), COUNTED]),
    )


def _names(stores: Sequence[StoreRef]) -> str:
    more = f" 等 {len(stores)} 家" if len(stores) > STORES_NAMED else ""
    return "、".join(store.name for store in stores[:STORES_NAMED]) + more


def _dates(plan: CampaignPlan, request: PlanRequest, today: date) -> str:
    first = request.starts_on or today
    last = first + timedelta(days=plan.duration_days - 1)
    words = FROM_DAY if request.starts_on else FROM_LAUNCH
    return words.format(days=plan.duration_days, first=_day(first), last=_day(last))


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _assumptions(request: PlanRequest, facts: Facts) -> list[str]:
    """Return what was not said and therefore chosen here."""
    chosen = [
        (request.days is None, DAYS_ASSUMED),
        (not _segments(request), ALL_ASSUMED),
        (request.offer is None, OFFER_ASSUMED.format(aov=yuan(facts.aov or Decimal(0)))),
    ]
    return [words for assumed, words in chosen if assumed]


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
