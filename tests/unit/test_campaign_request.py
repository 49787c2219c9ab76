"""What a sentence asks: amounts, days and dates, people, offers; and what cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.campaign import PlanInvalid
from knowledge.campaign_request import OfferAsked, PlanRequest, read_request, read_requests

TODAY = date(2026, 11, 21)


def understood(text: str) -> dict[str, Any]:
    request = read_request(text, TODAY)
    values = {name: getattr(request, name) for name in PlanRequest.__slots__}
    return {name: value for name, value in values.items() if value is not None}


def complaint(text: str) -> str:
    with pytest.raises(PlanInvalid) as invalid:
        read_request(text, TODAY)
    return str(invalid.value)


def reduction(threshold: int, value: int) -> OfferAsked:
    return OfferAsked("full_reduction", threshold, value)


def test_the_example_sentence_is_understood_whole() -> None:
    assert understood("给高价值老客做一个促复购活动，预算3万，7天") == {
        "budget": 30_000,
        "days": 7,
        "goal": "促复购",
        "segments": ("高价值", "老客"),
    }


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("预算3万", 30_000),
        ("预算是30000元", 30_000),
        ("预算30000 两周", 30_000),
        ("预算30000,7天", 30_000),
        ("三万五的预算", 35_000),
        ("花2.5万元", 25_000),
        ("预算10w", 100_000),
        ("5千预算", 5_000),
        ("预算3万7天", 30_000),
        ("预算三万五天", 30_000),
        ("老客活动，3万，7天", 30_000),
        ("大概3万左右吧", 30_000),
        ("预算改成 5 万", 50_000),
        ("满300减50，预算1万", 10_000),
        ("打85折 预算一万二", 12_000),
    ],
)
def test_the_budget(text: str, budget: int) -> None:
    assert understood(text)["budget"] == budget


@pytest.mark.parametrize(
    "text", ["做个活动", "消费满1000元的会员做活动", "预算3万到5万", "预算3-5万", "满300减50", "活动7天"]
)
def test_a_budget_that_was_not_said_is_not_guessed(text: str) -> None:
    assert "budget" not in understood(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("7天", 7),
        ("两周", 14),
        ("一周", 7),
        ("半个月", 15),
        ("一个半月", 45),
        ("一个月", 30),
        ("三个星期", 21),
        ("十五天", 15),
        ("7日", 7),
        ("12月1日到12月7日", 7),
        ("12.1-12.7", 7),
        ("12月1号到7号", 7),
        ("2026-12-01到2026-12-07", 7),
        ("12月28日到1月3日", 7),
        ("到月底", 10),
        ("到12月7日", 17),
        ("60天没来的会员，活动5天", 5),
    ],
)
def test_the_length(text: str, days: int) -> None:
    assert understood(text)["days"] == days


@pytest.mark.parametrize(
    "text", ["最近30天没来的会员", "60天没下单", "第7天", "一周年庆", "近半个月的新客", "预算1.5-2.5万"]
)
def test_days_that_describe_something_else_are_not_the_length(text: str) -> None:
    assert "days" not in understood(text)


def test_a_named_first_day_is_kept() -> None:
    assert understood("从12月1日到12月7日")["starts_on"] == date(2026, 12, 1)
    assert understood("12月1日开始，做7天") == {"days": 7, "starts_on": date(2026, 12, 1)}
    assert understood("1月1日到1月7日")["starts_on"] == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("满300减50", reduction(300, 50)),
        ("满三百减五十", reduction(300, 50)),
        ("满200元减30元", reduction(200, 30)),
        ("8折", OfferAsked("discount", 0, 80)),
        ("打8.5折", OfferAsked("discount", 0, 85)),
        ("85折", OfferAsked("discount", 0, 85)),
        ("八五折", OfferAsked("discount", 0, 85)),
        ("满200打8折", OfferAsked("discount", 200, 80)),
        ("半价", OfferAsked("discount", 0, 50)),
        ("双倍积分", OfferAsked("points", 0, 2)),
        ("3倍积分", OfferAsked("points", 0, 3)),
        ("积分翻倍", OfferAsked("points", 0, 2)),
    ],
)
def test_the_offer(text: str, offer: OfferAsked) -> None:
    assert understood(text) == {"offer": offer}


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("促复购", "促复购"),
        ("拉新", "拉新"),
        ("唤醒沉睡会员", "唤醒"),
        ("召回老客", "唤醒"),
        ("提客单", "提客单"),
        ("清库存", "清库存"),
    ],
)
def test_the_goal(text: str, goal: str) -> None:
    assert understood(text)["goal"] == goal


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("老客", ("老客",)),
        ("新客", ("新客",)),
        ("高价值老客", ("高价值", "老客")),
        ("流失会员", ("流失",)),
        ("金卡和钻石会员", ("钻石", "金卡")),
        ("生日会员", ("生日",)),
    ],
)
def test_the_people(text: str, segments: tuple[str, ...]) -> None:
    assert understood(text)["segments"] == segments


def test_named_channels_replace_all_channels() -> None:
    assert understood("短信和朋友圈发")["channels"] == ("sms", "wechat")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("预算-3万", "预算要大于 0"),
        ("预算负三万", "预算要大于 0"),
        ("预算0元", "预算要大于 0"),
        ("预算三千亿", "预算要大于 0、不超过 1 亿元"),
        ("预算3000.5元", "请按整元来说"),
        ("0天", "活动时间要在 1 到 365 天之间"),
        ("负三天", "活动时间要在 1 到 365 天之间"),
        ("400天", "活动时间要在 1 到 365 天之间"),
        ("从12月1日到11月30日", "结束日期 11月30日 早于开始日期 12月1日"),
        ("2026-12-01到2026-11-01", "结束日期 11月1日 早于开始日期 12月1日"),
        ("11月1日到11月7日", "11月7日 已经过去了"),
        ("11月1日开始，做7天", "开始日期 11月1日 已经过去了"),
        ("2月30日到3月2日", "没有 2月30日 这一天"),
        ("12折", "「12折」不是能用的折扣"),
        ("0折", "「0折」不是能用的折扣"),
        ("立减20", "满减券要有门槛"),
        ("无门槛50元券", "满减券要有门槛"),
        ("十五倍积分", "「十五倍积分」不是能用的积分倍数"),
        ("新客和老客都发", "新客和老客要分开做"),
        ("活动" * 251, "这段话太长了"),
    ],
)
def test_what_cannot_be_is_answered_with_a_sentence(text: str, sentence: str) -> None:
    assert sentence in complaint(text)


def test_a_later_sentence_changes_what_it_names() -> None:
    request = read_requests(["给老客做促复购活动，预算3万，7天", "预算改成5万", "改成10天"], TODAY)
    assert (request.budget, request.days, request.goal, request.segments) == (50_000, 10, "促复购", ("老客",))


def verdict(text: str) -> PlanRequest | list[str]:
    try:
        return read_request(text, TODAY)
    except PlanInvalid as invalid:
        return invalid.sentences


@given(st.text(alphabet="预算三万五3078天周月日到从满减折双倍积分，-. 个半", max_size=60))
def test_any_mixture_of_its_words_is_understood_or_answered(text: str) -> None:
    answer = verdict(text)
    assert isinstance(answer, PlanRequest) or (answer and all(answer))
