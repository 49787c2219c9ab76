"""A plan made from what was asked and what the figures say; every number in its sentences is computed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from knowledge.amounts import yuan
from knowledge.campaign import CampaignPlan, Offer, PlanInvalid, cost_of, validate_plan
from knowledge.campaign_request import OfferAsked, PlanRequest
from knowledge.campaign_segment import Buying, Segment
from knowledge.passages import Passage

DEFAULT_DAYS = 7
AOV_DAYS = 30
DEFAULT_GOAL = "提升销售"
ALL_CHANNELS = ("app_push", "sms", "wechat")
EXPECTED_SHARE = Decimal("0.1")  # without a history of redemptions one member in ten is expected to use the coupon
IMPROVEMENT = Decimal("1.1")
PASSAGE_CHARS = 80

NOBODY = "按「{name}」一个会员也没找到（{rules}），换个人群试试"
NO_ORDERS = "近期没有订单，算不出客单价，请直接说优惠，比如：满300减50"
TOO_SMALL = "预算 {budget} 不够一次优惠（每次约让利 {cost}），请把预算加大或把优惠改小"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a goal is measured and what is offered for it when nobody said."""

    metric: str
    threshold_over_aov: Decimal = Decimal("1.2")
    reduction: Decimal = Decimal("0.12")  # of the threshold
    discount: int | None = None  # per cent paid, instead of a reduction


RECIPES = {
    "促复购": Recipe("repeat_rate", reduction=Decimal("0.15")),
    "唤醒": Recipe("paying_members", Decimal("1.0"), Decimal("0.20")),
    "拉新": Recipe("new_members", Decimal("1.0"), Decimal("0.20")),
    "提客单": Recipe("aov", Decimal("1.5")),
    "清库存": Recipe("units", discount=70),
    DEFAULT_GOAL: Recipe("gmv"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan rests on: the members meant, and the average order offers are sized by.

    `buying` covers as many days before today as the campaign will have, so that target and baseline compare.
    """

    segment: Segment
    buying: Buying
    aov: Decimal | None


def draft_plan(request: PlanRequest, budget: int, facts: Facts, passages: Sequence[Passage]) -> CampaignPlan:
    """Return the plan; `PlanInvalid` when budget, offer and members cannot come together."""
    segment = facts.segment
    if not segment.size:
        raise PlanInvalid([NOBODY.format(name=segment.name, rules="；".join(segment.rules))])
    goal = request.goal or DEFAULT_GOAL
    recipe = RECIPES[goal]
    asked = request.offer or _offer_for(recipe, facts.aov)
    offer, cost = _with_limit(asked, facts.aov, budget)
    days = request.days or DEFAULT_DAYS
    raw: dict[str, Any] = {
        "goal": f"{segment.name}{goal}",
        "duration_days": days,
        "budget": budget,
        "target_segment": {"definition": f"{segment.name}，共 {segment.size} 人", "rules": list(segment.rules)},
        "offer": offer,
        "channels": list(request.channels or ALL_CHANNELS),
        "kpi": {"primary": recipe.metric, "targets": _targets(recipe, facts, offer, days)},
        "risk_controls": [*_risks(facts, offer, budget, cost, request.starts_on), *map(_quoted, passages)],
    }
    return validate_plan(raw | ({"sql_preview": segment.sql} if segment.sql else {}))


def offer_words(offer: Offer) -> str:
    """Return the offer as a customer would say it: 满300减50, 8.5折, 满200享2倍积分."""
    if offer.type == "full_reduction":
        return f"满{offer.threshold}减{offer.value}"
    at_least = f"满{offer.threshold}" if offer.threshold else ""
    if offer.type == "discount":
        tenths = Decimal(offer.value) / 10
        return f"{at_least}{'打' if at_least else ''}{tenths.normalize():f}折"
    return f"{at_least}{'享' if at_least else ''}{offer.value}倍积分"


def _offer_for(recipe: Recipe, aov: Decimal | None) -> OfferAsked:
    """Size an offer by the average order: a threshold from it and a share of that, both in round figures."""
    if recipe.discount is not None:
        return OfferAsked("discount", 0, recipe.discount)
    if not aov:
        raise PlanInvalid([NO_ORDERS])
    wanted = aov * recipe.threshold_over_aov
    threshold = _rounded(wanted, 10 if wanted < 500 else 50, ROUND_CEILING)
    share = threshold * recipe.reduction
    value = max(5, _rounded(share, 5 if share < 100 else 10, ROUND_HALF_UP))
    return OfferAsked("full_reduction", max(threshold, 2 * value), value)


def _rounded(amount: Decimal, step: int, rounding: str) -> int:
    return int((amount / step).quantize(Decimal(1), rounding=rounding)) * step


def _with_limit(asked: OfferAsked, aov: Decimal | None, budget: int) -> tuple[dict[str, Any], Decimal]:
    """Return the offer with as many redemptions as the budget pays for, and what one of them costs."""
    if asked.type != "full_reduction" and not aov:
        raise PlanInvalid([NO_ORDERS])
    cost = cost_of(asked.type, asked.value, max(aov or Decimal(0), Decimal(asked.threshold)))
    count = int(budget // cost)
    if not count:
        raise PlanInvalid([TOO_SMALL.format(budget=yuan(budget), cost=yuan(cost.quantize(Decimal("0.01"))))])
    offer = {"type": asked.type, "threshold": asked.threshold, "value": asked.value, "max_redemptions": count}
    return offer, cost


def _targets(recipe: Recipe, facts: Facts, offer: dict[str, Any], days: int) -> list[str]:
    redeemed = min(offer["max_redemptions"], _one_in_ten(facts.segment.size))
    targets = [_main_target(recipe.metric, facts.buying, redeemed, days)]
    targets.append(f"预计核销 {redeemed} 次（按人群的一成估，上限 {offer['max_redemptions']} 次）")
    if offer["threshold"]:
        targets.append(f"核销订单的成交额不少于 {yuan(redeemed * offer['threshold'])}")
    return targets


def _one_in_ten(size: int) -> int:
    return int((size * EXPECTED_SHARE).to_integral_value(ROUND_CEILING))


def _main_target(metric: str, buying: Buying, redeemed: int, days: int) -> str:
    period = f"前 {days} 天（{buying.first} 至 {buying.last}）"
    if metric == "repeat_rate":
        return _better("复购率", buying.repeat_rate, period, _percent, most=Decimal(1))
    if metric == "aov":
        return _better("客单价", buying.aov, period, _money)
    if metric == "gmv":
        return _better("该人群成交额", buying.paid if buying.orders else None, period, _money)
    people = {"paying_members": "活动期内唤回 {n} 人以上", "new_members": "活动期内首单会员 {n} 人以上"}
    return people.get(metric, "活动期内销量 {n} 件以上（每单至少一件）").format(n=redeemed)


def _better(
    name: str, value: Decimal | None, period: str, shown: Callable[[Decimal], str], *, most: Decimal | None = None
) -> str:
    """Return baseline and target; what cannot rise by a tenth is to be kept."""
    if not value:
        found = "没有成交" if value is None else f"为 {shown(value)}"
        return f"{name}：{period}{found}，以本次活动为基线"
    target = value * IMPROVEMENT
    if most is not None and target > most:
        return f"{name}：{period}为 {shown(value)}，目标不低于这个水平"
    return f"{name}：{period}为 {shown(value)}，目标 {shown(target)}（提升一成）"


def _percent(value: Decimal) -> str:
    return f"{value * 100:.1f}%"


def _money(value: Decimal) -> str:
    return yuan(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _risks(facts: Facts, offer: dict[str, Any], budget: int, cost: Decimal, starts_on: date | None) -> list[str]:
    count, size = offer["max_redemptions"], facts.segment.size
    lines = [_cost_line(offer, budget, cost), "每位会员限用 1 次，不与其他优惠叠加"]
    if count > size:
        most = (cost * size).quantize(Decimal(1), rounding=ROUND_CEILING)
        lines.append(f"人群 {size} 人，每人 1 次最多用掉 {yuan(most)}，预算会有结余")
    else:
        lines.append(f"人群 {size} 人，名额 {count} 个，先到先得，触达时说清楚")
    if starts_on is not None:
        lines.append(f"计划 {starts_on} 开始：请当天再上架，上架即生效")
    return lines


def _cost_line(offer: dict[str, Any], budget: int, cost: Decimal) -> str:
    count = offer["max_redemptions"]
    if offer["type"] == "full_reduction":
        return f"每次让利 {yuan(cost)}，最多核销 {count} 次，总让利不超过预算 {yuan(budget)}"
    each = yuan(cost.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))
    return f"按客单价估算每次约让利 {each}，最多核销 {count} 次；实际随订单金额变化，每天对一次预算 {yuan(budget)}"


def _quoted(passage: Passage) -> str:
    first = passage.content.strip().split("。")[0].replace("\n", " ")
    return f"参考《{passage.title}》：{first[:PASSAGE_CHARS]}"
