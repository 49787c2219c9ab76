"""Questions understood whole, and questions asked back; today is Saturday 2026-11-21."""

from __future__ import annotations

from datetime import date

import pytest

from knowledge.catalogue import load_catalogue
from knowledge.question_parser import EXAMPLES, AskBack, QuestionParser, Understood
from knowledge.semantic import SemanticQuery, question_of
from knowledge.stores import StoreRef

TODAY = date(2026, 11, 21)
NAMES = (
    ("上海静安店", "上海"),
    ("北京朝阳店", "北京"),
    ("广州天河店", "广州"),
    ("杭州西湖店", "杭州"),
    ("杭州滨江店", "杭州"),
)
STORES = tuple(StoreRef(number, name, city) for number, (name, city) in enumerate(NAMES, 1))
PARSER = QuestionParser(load_catalogue())
BUSINESS = ("gmv", "order_count", "aov")


def parse(text: str, allowed: frozenset[int] = frozenset({1, 2, 3, 4, 5})) -> Understood | AskBack:
    """Return what the parser makes of the text."""
    return PARSER.parse(text, TODAY, STORES, allowed)


def query(text: str) -> SemanticQuery:
    """Return the query, which there must be."""
    parsed = parse(text)
    assert isinstance(parsed, Understood), parsed
    return parsed.query


@pytest.mark.parametrize(
    ("text", "metrics", "dims", "days"),
    [
        ("最近7天各门店GMV、客单价、订单数，按天趋势", ("gmv", "aov", "order_count"), ("store", "day"), "11-14~11-20"),
        ("帮我看一下上周各渠道的单量", ("order_count",), ("channel",), "11-09~11-15"),
        ("本月销售额", ("gmv",), (), "11-01~11-21"),
        ("昨天业绩怎么样？", BUSINESS, (), "11-20"),
        ("报表", BUSINESS, (), "11-14~11-20"),
        ("最近30天每周的GMV和支付成功率", ("gmv", "pay_success_rate"), ("week",), "10-22~11-20"),
        ("近三个月按月的营业额", ("gmv",), ("month",), "08-21~11-20"),
        ("最近7天ＧＭＶ", ("gmv",), (), "11-14~11-20"),
        ("最近七天 gmv 趋势", ("gmv",), ("day",), "11-14~11-20"),
        ("上个月各城市新客数", ("new_members",), ("city",), "10-01~10-31"),
        ("各门店复购率", ("repeat_rate",), ("store",), "11-14~11-20"),
        ("本周新老客客单价", ("aov",), ("new_old",), "11-16~11-21"),
        ("最近7天各品类销量", ("units",), ("category",), "11-14~11-20"),
        ("最近7天各商品件数", ("units",), ("sku",), "11-14~11-20"),
        ("昨天各时段订单数", ("order_count",), ("hour",), "11-20"),
        ("最近4周按星期几的订单数", ("order_count",), ("weekday",), "10-19~11-15"),
        ("各会员等级的消费会员数", ("paying_members",), ("member_level",), "11-14~11-20"),
        ("9月1号到15号的连带率、折扣率", ("items_per_order", "discount_rate"), (), "09-01~09-15"),
        ("按门店和渠道看最近7天成交额", ("gmv",), ("store", "channel"), "11-14~11-20"),
        ("趋势", BUSINESS, ("day",), "11-14~11-20"),
    ],
)
def test_a_question_is_read_whole(text: str, metrics: tuple[str, ...], dims: tuple[str, ...], days: str) -> None:
    found = query(text)
    assert (found.metrics, found.dims, found.period.dates()) == (metrics, dims, days)


@pytest.mark.parametrize(
    ("text", "filters", "days"),
    [
        ("上周三号店的GMV", {"store": ["广州天河店"]}, "11-09~11-15"),
        ("上周三的订单数", {}, "11-11"),
        ("上周三3号店订单数", {"store": ["广州天河店"]}, "11-11"),
        ("10月3号店GMV", {"store": ["广州天河店"]}, "10-01~10-31"),
        ("第2家店昨天GMV", {"store": ["北京朝阳店"]}, "11-20"),
        ("上海静安店昨天GMV", {"store": ["上海静安店"]}, "11-20"),
        ("静安店昨天GMV", {"store": ["上海静安店"]}, "11-20"),
        ("静安和天河昨天GMV", {"store": ["上海静安店", "广州天河店"]}, "11-20"),
        ("上海店昨天GMV", {"store": ["上海静安店"]}, "11-20"),
        ("杭州昨天GMV", {"city": ["杭州"]}, "11-20"),
        ("昨天外卖GMV", {"channel": ["外卖"]}, "11-20"),
        ("昨天小程序和线下的订单数", {"channel": ["小程序", "门店"]}, "11-20"),
        ("昨天老客GMV", {"new_old": ["老客"]}, "11-20"),
        ("昨天金卡会员GMV", {"member_level": ["金卡"]}, "11-20"),
        ("双十一当天GMV", {}, "11-11"),
        ("11月11日当天GMV", {}, "11-11"),
    ],
)
def test_names_become_filters(text: str, filters: dict[str, list[str]], days: str) -> None:
    found = query(text)
    assert (found.as_json()["filters"], found.period.dates()) == (filters, days)


@pytest.mark.parametrize(
    ("text", "dims", "by", "descending", "limit"),
    [
        ("卖得最差的三家", ("store",), "gmv", False, 3),
        ("最近7天GMV前三的门店", ("store",), "gmv", True, 3),
        ("最近7天订单数top5的门店", ("store",), "order_count", True, 5),
        ("哪家店卖得最好", ("store",), "gmv", True, 1),
        ("哪些店客单价最低", ("store",), "aov", False, 3),
        ("销量前十的商品", ("sku",), "units", True, 10),
        ("本月GMV最高的3天", ("day",), "gmv", True, 3),
        ("最近7天各渠道GMV排名", ("channel",), "gmv", True, None),
        ("卖得最好的商品前5", ("sku",), "units", True, 5),
        ("卖得最差的前3家店", ("store",), "gmv", False, 3),
        ("支付成功率倒数两家店", ("store",), "pay_success_rate", False, 2),
    ],
)
def test_rankings(text: str, dims: tuple[str, ...], by: str, descending: bool, limit: int | None) -> None:
    found = query(text)
    assert found.dims == dims
    assert found.order is not None
    assert (found.order.by, found.order.descending, found.limit) == (by, descending, limit)


@pytest.mark.parametrize(
    ("text", "compare"),
    [("本周GMV环比", "previous"), ("上月GMV同比", "year"), ("本周和上周GMV对比", "previous"), ("各门店GMV对比", None)],
)
def test_comparisons(text: str, compare: str | None) -> None:
    assert query(text).compare == compare


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        ("上海和北京GMV对比", "city"),
        ("小程序和外卖GMV对比", "channel"),
        ("静安店和天河店GMV对比", "store"),
        ("金卡和钻石会员GMV对比", "member_level"),
    ],
)
def test_values_set_against_each_other_are_rows_not_a_sum(text: str, dim: str) -> None:
    assert (query(text).dims, query(text).compare) == ((dim,), None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("今天天气怎么样", "天气"),
        ("外卖占比", "占比"),
        ("日均GMV", "日均"),
        ("除了上海静安店的GMV", "除了"),
        ("客单价超过100的门店", "超过"),
        ("最近7天可单价", "可单价"),
        ("最近7天退款率", "退款"),
        ("最近30天利润", "利润"),
        ("下周GMV", "未来"),
        ("每天GMV前三的门店", "一个维度"),
        ("上周和本月的GMV", "一段时间"),
        ("99号店GMV", "99号店"),
        ("杭州店GMV", "杭州西湖店、杭州滨江店"),
        ("按天看复购率", "复购率"),
        ("各品类客单价", "客单价"),
        ("11月20日到11月10日GMV", "到"),
        ("", "没看出"),
        ("你好", "没看出"),
        ("GMV" * 200, "太长"),
        ("'; DROP TABLE orders; --", "drop"),
    ],
)
def test_what_is_not_understood_is_asked_back_by_name(text: str, named: str) -> None:
    asked = parse(text)
    assert isinstance(asked, AskBack), asked
    assert named in asked.reason.lower()
    assert 1 <= len(asked.suggestions) <= 3


def test_every_suggestion_works() -> None:
    asked = [
        parse(text) for text in ("外卖占比", "最近30天利润", "每天GMV前三的门店", "各品类客单价", "上周各门店退款")
    ]
    suggestions = {s for answer in asked if isinstance(answer, AskBack) for s in answer.suggestions} | set(EXAMPLES)
    assert all(isinstance(parse(text), Understood) for text in suggestions)


def test_a_store_of_somebody_else_is_refused() -> None:
    asked = parse("上海静安店昨天GMV", frozenset({2}))
    assert isinstance(asked, AskBack)
    assert asked.forbidden
    assert "上海静安店" in asked.reason


def test_what_was_assumed_is_said() -> None:
    parsed = parse("趋势")
    assert isinstance(parsed, Understood)
    assert len(parsed.notes) == 2
    assert parse("本周GMV") != parse("上周GMV")


@pytest.mark.parametrize(
    "text", ["最近7天各门店GMV、订单数", "上周外卖按天客单价", "11月1日到11月5日杭州各渠道GMV", "近三个月按月复购率"]
)
def test_the_canonical_question_means_the_same(text: str) -> None:
    found = query(text)
    assert query(question_of(found, PARSER.catalogue)) == found


def test_the_sentence_says_it_all() -> None:
    sentence = query("最近7天各门店GMV、订单数、客单价").sentence(PARSER.catalogue)
    assert sentence == "最近7天（11-14~11-20） · 各门店 · GMV、订单数、客单价"


def test_the_json_names_inclusive_days() -> None:
    assert query("最近7天外卖GMV前三的门店").as_json() == {
        "metrics": ["gmv"],
        "dims": ["store"],
        "range": ["2026-11-14", "2026-11-20"],
        "filters": {"channel": ["外卖"]},
        "order": {"by": "gmv", "desc": True},
        "limit": 3,
        "compare": None,
    }
