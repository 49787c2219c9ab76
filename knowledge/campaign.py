"""A campaign plan: the documented JSON, its rules with a Chinese sentence for each, and its idempotency key.

Amounts in the JSON are whole yuan. What `offer.value` means depends on its type:

    full_reduction   yuan taken off an order of at least `threshold` yuan
    discount         per cent of the price that is paid: 80 is 8折, 85 is 8.5折
    points           how many times the usual points: 2 is 双倍积分
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

Metric = Literal[
    "gmv",
    "order_count",
    "aov",
    "paying_members",
    "new_members",
    "repeat_rate",
    "pay_success_rate",
    "units",
    "items_per_order",
    "discount_rate",
]
MAX_DAYS = 365
MAX_BUDGET = 100_000_000
LONGEST_SQL = 20_000
SMALLEST_DISCOUNT = 10
LARGEST_MULTIPLE = 10
POINT_WORTH = Decimal("0.01")  # one point for each yuan paid, 100 points make one yuan

NOT_AN_OBJECT = "方案要是一个 JSON 对象"
MISSING = "缺少「{field}」"
UNKNOWN_FIELD = "不认识的字段「{field}」"
FIELD_RULES = {
    "goal": "活动目标（goal）要写清楚，1 到 100 个字",
    "duration_days": f"活动天数（duration_days）要是 1 到 {MAX_DAYS} 的整数",
    "budget": "预算（budget）要是大于 0、不超过 1 亿的整数（元）",
    "target_segment": "目标人群（target_segment）要有 definition（文字）和 rules（文字列表）",
    "target_segment.definition": "人群定义（target_segment.definition）要写清楚，1 到 200 个字",
    "target_segment.rules": "人群规则（target_segment.rules）要是文字列表，最多 20 条",
    "offer": "优惠（offer）要有 type、threshold、value、max_redemptions",
    "offer.type": "优惠类型（offer.type）只能是 full_reduction、discount 或 points",
    "offer.threshold": "优惠门槛（offer.threshold）要是不小于 0 的整数（元）",
    "offer.value": "优惠力度（offer.value）要是大于 0 的整数",
    "offer.max_redemptions": "核销上限（offer.max_redemptions）要是不小于 1 的整数",
    "channels": "渠道（channels）只能从 app_push、sms、wechat 里选，至少一个",
    "kpi": "考核指标（kpi）要有 primary 和 targets",
    "kpi.primary": f"主指标（kpi.primary）只能是：{'、'.join(get_args(Metric))}",
    "kpi.targets": "目标（kpi.targets）要是文字列表，最多 20 条",
    "risk_controls": "风控（risk_controls）要是文字列表，最多 20 条",
    "sql_preview": "查询预览（sql_preview）要是文字",
}
REPEATED_CHANNEL = "渠道（channels）里有重复"
NO_REDUCTION_LEFT = "满减的减免 {value} 元要小于门槛 {threshold} 元"
DISCOUNT_RANGE = "折扣按百分数写，{low} 到 99：8折写 80，8.5折写 85，现在是 {value}"
MULTIPLE_RANGE = "积分倍数（offer.value）要在 2 到 {high} 之间，现在是 {value}"
OVER_BUDGET = "最多核销 {count} 次、每次至少 {cost} 元，合计 {total} 元，超过预算 {budget} 元"

NOT_BLANK = r"\S"
Line = Annotated[str, StringConstraints(pattern=NOT_BLANK, max_length=500)]
Lines = Annotated[list[Line], Field(max_length=20)]


class PlanInvalid(Exception):
    """A plan that cannot be carried out; `sentences` say in Chinese what is wrong, one thing each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("；".join(sentences))
        self.sentences = sentences


class PlanPart(BaseModel):
    """Strict, closed and frozen: a number in quotes or a misspelt field is an error, not a guess."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TargetSegment(PlanPart):
    """Who is meant, in words."""

    definition: Annotated[str, StringConstraints(pattern=NOT_BLANK, max_length=200)]
    rules: Lines


class Offer(PlanPart):
    """What a member gets; see the top of the file for `value`."""

    type: Literal["full_reduction", "discount", "points"]
    threshold: Annotated[int, Field(ge=0, le=MAX_BUDGET)]
    value: Annotated[int, Field(ge=1, le=MAX_BUDGET)]
    max_redemptions: Annotated[int, Field(ge=1, le=MAX_BUDGET)]

    def cost_at(self, order_amount: Decimal) -> Decimal:
        """Return what one redemption costs on an order of this amount, or of the threshold where that is higher."""
        return cost_of(self.type, self.value, max(order_amount, Decimal(self.threshold)))


class Kpi(PlanPart):
    """How success is measured: a metric's name and sentences with figures."""

    primary: Metric
    targets: Lines


class CampaignPlan(PlanPart):
    """The plan as it travels: in a card's button, over the API, into the ledger."""

    goal: Annotated[str, StringConstraints(pattern=NOT_BLANK, max_length=100)]
    duration_days: Annotated[int, Field(ge=1, le=MAX_DAYS)]
    budget: Annotated[int, Field(ge=1, le=MAX_BUDGET)]
    target_segment: TargetSegment
    offer: Offer
    channels: Annotated[list[Literal["app_push", "sms", "wechat"]], Field(min_length=1)]
    kpi: Kpi
    risk_controls: Lines
    sql_preview: Annotated[str, StringConstraints(max_length=LONGEST_SQL)] | None = None


def cost_of(offer_type: str, value: int, order_amount: Decimal) -> Decimal:
    """Return what the shop gives away on one order of this amount."""
    if offer_type == "full_reduction":
        return Decimal(value)
    if offer_type == "discount":
        return order_amount * (100 - value) / 100
    return order_amount * (value - 1) * POINT_WORTH


def validate_plan(raw: object) -> CampaignPlan:
    """Return the plan; `PlanInvalid` lists everything that is wrong with it."""
    if not isinstance(raw, Mapping):
        raise PlanInvalid([NOT_AN_OBJECT])
    try:
        plan = CampaignPlan.model_validate(raw)
    except ValidationError as error:
        raise PlanInvalid(_sentences(error)) from error
    contradictions = _contradictions_of(plan.offer) or _over_budget(plan)
    if len(set(plan.channels)) < len(plan.channels):
        contradictions.append(REPEATED_CHANNEL)
    if contradictions:
        raise PlanInvalid(contradictions)
    return plan


def plan_json(plan: CampaignPlan) -> dict[str, Any]:
    """Return the plan as JSON values, with exactly the fields it was given."""
    return plan.model_dump(mode="json", exclude_unset=True)


def idempotency_key(plan: Mapping[str, Any]) -> str:
    """Return the plan's key: SHA-256 over its JSON with sorted keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _sentences(error: ValidationError) -> list[str]:
    """Return one sentence per field that is wrong, in the order of the plan."""
    return list(dict.fromkeys(_sentence(problem["loc"], problem["type"]) for problem in error.errors()))


def _sentence(loc: tuple[int | str, ...], kind: str) -> str:
    names = [part for part in loc if isinstance(part, str)]
    field = ".".join(names)
    if kind == "extra_forbidden":
        return UNKNOWN_FIELD.format(field=field[:40])
    if kind == "missing":
        return f"{MISSING.format(field=field)}：{FIELD_RULES[field]}"
    return FIELD_RULES.get(field, FIELD_RULES.get(names[0], NOT_AN_OBJECT) if names else NOT_AN_OBJECT)


def _contradictions_of(offer: Offer) -> list[str]:
    if offer.type == "full_reduction" and offer.value >= offer.threshold:
        return [NO_REDUCTION_LEFT.format(value=offer.value, threshold=offer.threshold)]
    if offer.type == "discount" and not SMALLEST_DISCOUNT <= offer.value <= 99:
        return [DISCOUNT_RANGE.format(low=SMALLEST_DISCOUNT, value=offer.value)]
    if offer.type == "points" and not 2 <= offer.value <= LARGEST_MULTIPLE:
        return [MULTIPLE_RANGE.format(high=LARGEST_MULTIPLE, value=offer.value)]
    return []


def _over_budget(plan: CampaignPlan) -> list[str]:
    """Compare the least that all redemptions can cost with the budget; an order without threshold may cost nothing."""
    cost, count = plan.offer.cost_at(Decimal(0)), plan.offer.max_redemptions
    if cost * count <= plan.budget:
        return []
    total = f"{cost * count:f}"
    return [OVER_BUDGET.format(count=count, cost=f"{cost:f}", total=total, budget=plan.budget)]
