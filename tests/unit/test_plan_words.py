"""Which sentences launch, drop, plan or answer. Money moves on the first kind."""

from __future__ import annotations

import re
import time

import pytest

from handlers.plan import ANSWER_WORDS, DROP_WORDS, LAUNCH_WORDS, PLAN_WORDS


@pytest.mark.parametrize(
    "text",
    [
        "执行",
        "上架",
        "发布",
        "好的，上架吧",
        "执行这个方案",
        "那就把这个活动上架",
        "确认执行！",
        "上架一下",
        "可以上架了",
    ],
)
def test_these_launch(text: str) -> None:
    assert LAUNCH_WORDS.search(text)
    assert not PLAN_WORDS.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "不要上架",
        "先别执行",
        "上架了吗",
        "什么时候上架",
        "上架新品做个活动",
        "做一个上架新品的活动，预算3万",
        "8WZ01CM1 新品上架 写朋友圈",
        "现在上架了哪些",
        "上架 2",
    ],
)
def test_these_do_not_launch(text: str) -> None:
    assert not LAUNCH_WORDS.search(text)


@pytest.mark.parametrize("text", ["放弃", "不做了", "放弃这个方案", "这个活动不要了", "作废吧"])
def test_these_drop(text: str) -> None:
    assert DROP_WORDS.search(text)
    assert not PLAN_WORDS.search(text)


@pytest.mark.parametrize(
    "text", ["给老客做活动", "预算3万", "发优惠券", "拉新", "唤醒沉睡会员", "做一个上架新品的活动，预算3万"]
)
def test_these_are_plans(text: str) -> None:
    assert PLAN_WORDS.search(text)


@pytest.mark.parametrize(
    "text", ["活动期间GMV多少", "优惠券核销为什么下降", "活动预算怎么定", "今天天气", "最近7天各门店GMV"]
)
def test_these_are_not(text: str) -> None:
    assert not PLAN_WORDS.search(text)


@pytest.mark.parametrize(
    "text", ["3万", "预算3万", "改成10天", "满300减50", "8折", "双倍积分", "半个月", "预算 5万，10 天"]
)
def test_these_answer_a_question_back(text: str) -> None:
    assert ANSWER_WORDS.search(text)


@pytest.mark.parametrize("text", ["2", "今天天气", "最近7天GMV", "给会员 1024 推荐", "预算", ""])
def test_these_do_not(text: str) -> None:
    assert not ANSWER_WORDS.search(text)


@pytest.mark.parametrize(
    "text", ["那就" * 500, "好的" * 500, "改成" * 500 + "3", "双倍" * 500 + "1", "三" * 1500, "这个活动" * 400]
)
@pytest.mark.parametrize("pattern", [LAUNCH_WORDS, DROP_WORDS, PLAN_WORDS, ANSWER_WORDS])
def test_no_text_keeps_a_pattern_busy(pattern: re.Pattern[str], text: str) -> None:
    start = time.perf_counter()
    pattern.search(f"{text}x")
    assert time.perf_counter() - start < 0.5
