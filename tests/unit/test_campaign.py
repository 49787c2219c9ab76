"""The plan's JSON, its rules and its key."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.campaign import PlanInvalid, idempotency_key, plan_json, validate_plan
from knowledge.campaign_draft import offer_words
from tests.plans import PLAN, PLAN_KEY

OFFER: dict[str, Any] = PLAN["offer"]


def plan(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(PLAN), **changes}


def offer(**changes: Any) -> dict[str, Any]:
    return plan(offer={**OFFER, **changes})


def complaints(raw: object) -> list[str]:
    with pytest.raises(PlanInvalid) as invalid:
        validate_plan(raw)
    return invalid.value.sentences


@pytest.mark.parametrize("raw", [PLAN, plan(sql_preview="SELECT 1"), plan(sql_preview=None), plan(risk_controls=[])])
def test_a_good_plan_comes_out_as_it_went_in(raw: dict[str, Any]) -> None:
    assert json.dumps(plan_json(validate_plan(raw))) == json.dumps(raw)


def test_the_key_of_a_fixed_plan_never_changes() -> None:
    assert idempotency_key(PLAN) == PLAN_KEY
    assert hashlib.sha256(json.dumps(PLAN, sort_keys=True).encode()).hexdigest() == PLAN_KEY


def test_the_key_does_not_depend_on_the_order_of_fields() -> None:
    assert idempotency_key(dict(reversed(PLAN.items()))) == PLAN_KEY


@pytest.mark.parametrize("changed", [plan(budget=30001), plan(goal="x"), offer(value=51), plan(sql_preview="SELECT 1")])
def test_any_change_makes_another_key(changed: dict[str, Any]) -> None:
    assert idempotency_key(changed) != PLAN_KEY


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (plan(goal=""), "活动目标（goal）要写清楚，1 到 100 个字"),
        (plan(goal="   "), "活动目标（goal）要写清楚，1 到 100 个字"),
        (plan(goal="长" * 101), "活动目标（goal）要写清楚，1 到 100 个字"),
        (plan(goal="\ud800"), "活动目标（goal）要写清楚，1 到 100 个字"),
        (plan(duration_days=0), "活动天数（duration_days）要是 1 到 365 的整数"),
        (plan(duration_days=366), "活动天数（duration_days）要是 1 到 365 的整数"),
        (plan(duration_days=-3), "活动天数（duration_days）要是 1 到 365 的整数"),
        (plan(duration_days=7.5), "活动天数（duration_days）要是 1 到 365 的整数"),
        (plan(budget=0), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(budget=-30000), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(budget="30000"), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(budget=True), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(budget=float("nan")), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(budget=10**30), "预算（budget）要是大于 0、不超过 1 亿的整数（元）"),
        (plan(channels=[]), "渠道（channels）只能从 app_push、sms、wechat 里选，至少一个"),
        (plan(channels=["fax"]), "渠道（channels）只能从 app_push、sms、wechat 里选，至少一个"),
        (plan(channels=["sms", "sms"]), "渠道（channels）里有重复"),
        (plan(kpi={"primary": "profit", "targets": []}), "主指标（kpi.primary）只能是"),
        (plan(target_segment={"definition": "", "rules": []}), "人群定义（target_segment.definition）"),
        (plan(target_segment={"definition": "x", "rules": [1]}), "人群规则（target_segment.rules）"),
        (plan(risk_controls="小心"), "风控（risk_controls）要是文字列表"),
        (plan(sql_preview=5), "查询预览（sql_preview）要是文字"),
        (plan(start="2026-12-01"), "不认识的字段「start」"),
        (offer(type="gift"), "优惠类型（offer.type）只能是 full_reduction、discount 或 points"),
        (offer(threshold=-1), "优惠门槛（offer.threshold）要是不小于 0 的整数（元）"),
        (offer(value=0), "优惠力度（offer.value）要是大于 0 的整数"),
        (offer(max_redemptions=0), "核销上限（offer.max_redemptions）要是不小于 1 的整数"),
        (offer(threshold=50), "满减的减免 50 元要小于门槛 50 元"),
        (offer(threshold=0), "满减的减免 50 元要小于门槛 0 元"),
        (offer(max_redemptions=601), "最多核销 601 次、每次至少 50 元，合计 30050 元，超过预算 30000 元"),
        (offer(type="discount", value=8), "折扣按百分数写，10 到 99：8折写 80，8.5折写 85，现在是 8"),
        (offer(type="discount", value=100), "折扣按百分数写，10 到 99：8折写 80，8.5折写 85，现在是 100"),
        (offer(type="discount", value=80, max_redemptions=501), "最多核销 501 次、每次至少 60 元"),
        (offer(type="points", value=1), "积分倍数（offer.value）要在 2 到 10 之间，现在是 1"),
        (offer(type="points", value=50), "积分倍数（offer.value）要在 2 到 10 之间，现在是 50"),
    ],
)
def test_an_absurd_plan_is_told_what_is_wrong(raw: dict[str, Any], sentence: str) -> None:
    assert [line for line in complaints(raw) if line.startswith(sentence)]


@pytest.mark.parametrize("field", list(PLAN))
def test_a_missing_field_is_named(field: str) -> None:
    lines = complaints({name: value for name, value in PLAN.items() if name != field})
    assert lines[0].startswith(f"缺少「{field}」")


@pytest.mark.parametrize("raw", [None, 3, "plan", [], [PLAN], {1: 2}])
def test_what_is_no_plan_at_all_is_refused(raw: object) -> None:
    assert complaints(raw)


def test_everything_wrong_is_said_at_once() -> None:
    assert len(complaints(plan(goal="", budget=0, channels=[]))) == 3


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def verdict(raw: object) -> list[str] | dict[str, Any]:
    try:
        return plan_json(validate_plan(raw))
    except PlanInvalid as invalid:
        return invalid.sentences


@given(field=st.sampled_from([*PLAN, "other"]), value=JSON_VALUES)
def test_whatever_stands_in_a_field_is_a_plan_or_sentences(field: str, value: object) -> None:
    raw = plan(**{field: value})
    answer = verdict(raw)
    assert answer == raw if isinstance(answer, dict) else all(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "满300减50"),
        ({"type": "discount", "value": 80, "threshold": 0}, "8折"),
        ({"type": "discount", "value": 85, "threshold": 200, "max_redemptions": 9}, "满200打8.5折"),
        ({"type": "points", "value": 2, "threshold": 0}, "2倍积分"),
        ({"type": "points", "value": 3, "threshold": 100}, "满100享3倍积分"),
    ],
)
def test_an_offer_in_the_words_of_a_shop(changes: dict[str, Any], words: str) -> None:
    assert offer_words(validate_plan(offer(**changes)).offer) == words
