"""What a sentence asks of a campaign: budget, days, who, why, which offer, which channels. Absent parts are None."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from functools import reduce

from knowledge.amounts import NUMBER, normalised, read_number
from knowledge.campaign import MAX_BUDGET, MAX_DAYS, PlanInvalid
from knowledge.campaign_dates import read_span

BUDGET_RANGE = "预算要大于 0、不超过 1 亿元，比如：预算3万"
DAYS_RANGE = f"活动时间要在 1 到 {MAX_DAYS} 天之间，比如：7天"
TOO_LONG = "这段话太长了，请用一句话说：给谁、做什么、预算、几天"
BAD_DISCOUNT = "「{words}」不是能用的折扣，请说 1折 到 9.9折 之间的数，比如：8折"
NO_THRESHOLD = "满减券要有门槛，比如：满300减50"
BAD_MULTIPLE = "「{words}」不是能用的积分倍数，请说 2 到 10 倍，比如：双倍积分"
SPLIT_YUAN = "「{words}」请按整元来说"
BOTH_NEW_AND_OLD = "新客和老客要分开做，请选一个人群"


SMALLEST_WRITTEN_WHOLE = 30
LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class OfferAsked:
    """An offer in the terms of `knowledge.campaign`: whole yuan, per cent paid, or times the points."""

    type: str
    threshold: int
    value: int


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The parts of one or several sentences that were understood."""

    budget: int | None = None
    days: int | None = None
    starts_on: date | None = None
    goal: str | None = None
    segments: tuple[str, ...] | None = None
    offer: OfferAsked | None = None
    channels: tuple[str, ...] | None = None

    def overlaid(self, newer: PlanRequest) -> PlanRequest:
        """Return this request with everything that the newer one names."""
        values = {f.name: getattr(newer, f.name) for f in fields(self)}
        changed = {name: value for name, value in values.items() if value is not None}
        return PlanRequest(**{f.name: getattr(self, f.name) for f in fields(self)} | changed)


# The first that matches names the goal; 唤醒 stands before 促复购 because its words are the more particular ones.
GOAL_WORDS = {
    "唤醒": re.compile(r"唤醒|召回|激活|挽回|沉睡|流失"),
    "拉新": re.compile(r"拉新|获客|首单|招新"),
    "提客单": re.compile(r"客单|连带|凑单"),
    "清库存": re.compile(r"清库存|清仓|库存|尾货|甩卖"),
    "促复购": re.compile(r"复购|回购|再次购买|二次购买|回头"),
}
SEGMENT_WORDS = {
    "高价值": re.compile(r"高价值|大客户|高消费|vip", re.I),
    "钻石": re.compile("钻石"),
    "金卡": re.compile("金卡"),
    "银卡": re.compile("银卡"),
    "生日": re.compile("生日|寿星"),
    "沉睡": re.compile("沉睡"),
    "流失": re.compile("流失"),
    "未下单": re.compile(r"未下单|没下过单|未消费|潜客|潜在"),
    "老客": re.compile(r"老(?:客|会员|顾客|用户)|熟客|回头客"),
    "新客": re.compile(r"新(?:客|会员|顾客|用户)"),
}
CHANNEL_WORDS = {
    "app_push": re.compile(r"app|推送", re.I),
    "sms": re.compile("短信"),
    "wechat": re.compile("微信|企微|朋友圈|社群"),
}

_LABEL = "(?:预算|经费|费用|成本|投入|拿出|花|投|拨)"
_LINK = "(?:给我|是|为|有|大概|大约|约|控制在|不超过|最多|改成|改为|改到|调到|调成|换成|一共|总共|总额|在|:)*"
_NOT_A_RANGE = r"(?!(?:元|块钱?)?(?:到|至|-|~|或)[\d一二两三四五六七八九十])"
_BUDGETS = [
    re.compile(rf"{_LABEL}{_LINK}(?P<amount>{NUMBER}){_NOT_A_RANGE}"),
    re.compile(rf"(?P<amount>{NUMBER})(?:元|块钱?)?(?:钱)?的?(?:预算|经费|费用)"),
    re.compile(rf"(?:^|;){_LINK}(?P<amount>{NUMBER})(?:元|块钱?)?(?:左右|以内|上下|吧|呢)*(?=;|$)"),
]
_FULL_REDUCTION = re.compile(rf"满?(?P<threshold>{NUMBER})[元块]?立?[减送返抵](?P<value>{NUMBER})[元块]?(?!折)")
_BARE_REDUCTION = re.compile(rf"(?:立减|直减|无门槛|代金券|现金券)(?P<value>{NUMBER})?")
_DISCOUNT = re.compile(rf"(?:满(?P<threshold>{NUMBER})[元块]?)?;?[享打]?(?P<value>{NUMBER})折(?!线)")
_HALF_PRICE = re.compile("半价|对折")
_POINTS = re.compile(rf"(?:双|(?P<value>{NUMBER}))倍的?积分|积分(?:翻倍|双倍|(?P<after>{NUMBER})倍)")


def read_request(text: str, today: date) -> PlanRequest:
    """Return what a sentence asks; `PlanInvalid` when it names something that cannot be.

    Dates, length and offer are taken out of the text first, so that their numbers are not read as the budget.
    """
    if len(text) > LONGEST_TEXT:
        raise PlanInvalid([TOO_LONG])
    plain = normalised(text)
    span, rest = read_span(plain, today)
    offer, rest = _read_offer(rest)
    request = PlanRequest(
        budget=_read_budget(rest),
        days=span.days,
        starts_on=span.starts_on,
        goal=_first(GOAL_WORDS, plain),
        segments=_read_segments(plain),
        offer=offer,
        channels=_all(CHANNEL_WORDS, plain),
    )
    if absurd := _absurdities(request):
        raise PlanInvalid(absurd)
    return request


def read_requests(texts: Sequence[str], today: date) -> PlanRequest:
    """Return what several sentences ask together; a later one overrides what it names."""
    return reduce(PlanRequest.overlaid, (read_request(text, today) for text in texts), PlanRequest())


def _absurdities(request: PlanRequest) -> list[str]:
    budget = [] if request.budget is None or 0 < request.budget <= MAX_BUDGET else [BUDGET_RANGE]
    days = [] if request.days is None or 0 < request.days <= MAX_DAYS else [DAYS_RANGE]
    return budget + days


def _read_budget(text: str) -> int | None:
    for pattern in _BUDGETS:
        if found := pattern.search(text):
            return _whole(found["amount"])
    return None


def _read_segments(text: str) -> tuple[str, ...] | None:
    found = _all(SEGMENT_WORDS, text)
    if found and {"老客", "新客"} <= set(found):
        raise PlanInvalid([BOTH_NEW_AND_OLD])
    return found


def _read_offer(text: str) -> tuple[OfferAsked | None, str]:
    for pattern, read in _OFFERS:
        if found := pattern.search(text):
            return read(found), f"{text[: found.start()]};{text[found.end() :]}"
    return None, text


def _full_reduction(found: re.Match[str]) -> OfferAsked:
    return OfferAsked("full_reduction", _whole(found["threshold"]), _whole(found["value"]))


def _bare_reduction(_found: re.Match[str]) -> OfferAsked:
    """Money off without a threshold would give small articles away."""
    raise PlanInvalid([NO_THRESHOLD])


def _discount(found: re.Match[str]) -> OfferAsked:
    """8折, 85折, 8.5折, 八五折: below ten it is tenths, above it hundredths; 12折 is a slip, not 88 per cent off."""
    number = read_number(found["value"]) or Decimal(0)
    percent = number * 10 if number < 10 else number
    slip = 10 <= number < SMALLEST_WRITTEN_WHOLE
    if slip or not 10 <= percent <= 99 or percent != int(percent):
        raise PlanInvalid([BAD_DISCOUNT.format(words=f"{found['value']}折")])
    return OfferAsked("discount", _whole(found["threshold"]) if found["threshold"] else 0, int(percent))


def _half_price(_found: re.Match[str]) -> OfferAsked:
    return OfferAsked("discount", 0, 50)


def _points(found: re.Match[str]) -> OfferAsked:
    words = found["value"] or found["after"]
    times = read_number(words) if words else Decimal(2)
    if times is None or not 2 <= times <= 10 or times != int(times):
        raise PlanInvalid([BAD_MULTIPLE.format(words=found[0])])
    return OfferAsked("points", 0, int(times))


_OFFERS = (
    (_FULL_REDUCTION, _full_reduction),
    (_DISCOUNT, _discount),
    (_HALF_PRICE, _half_price),
    (_POINTS, _points),
    (_BARE_REDUCTION, _bare_reduction),
)


def _whole(words: str) -> int:
    number = read_number(words)
    if number is None or number != int(number):
        raise PlanInvalid([SPLIT_YUAN.format(words=words)])
    return int(number)


def _first(table: dict[str, re.Pattern[str]], text: str) -> str | None:
    return next((name for name, pattern in table.items() if pattern.search(text)), None)


def _all(table: dict[str, re.Pattern[str]], text: str) -> tuple[str, ...] | None:
    return tuple(name for name, pattern in table.items() if pattern.search(text)) or None
