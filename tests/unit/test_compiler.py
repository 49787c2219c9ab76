"""What the compiler writes: bound values, the scope first, and no statement the guard would stop."""

from __future__ import annotations

from datetime import date

import pytest

from db.sql_guard import check
from knowledge.catalogue import load_catalogue
from knowledge.compiler import QueryRefused, Scope, Statement, compile_query
from knowledge.periods import last_days
from knowledge.semantic import SemanticQuery, filters_of
from knowledge.stores import StoreRef

CATALOGUE = load_catalogue()
WEEK = last_days(date(2026, 11, 21), 7)
SCOPE = Scope(1, (StoreRef(1, "上海一店", "上海"), StoreRef(2, "杭州一店", "杭州")))
TWO_ZONES = Scope(1, (StoreRef(1, "上海一店", "上海"), StoreRef(2, "乌市一店", "乌鲁木齐", "Asia/Urumqi")))
DIALECTS = ("mysql", "sqlite")


def statements(query: SemanticQuery, scope: Scope = SCOPE, dialect: str = "sqlite") -> tuple[Statement, ...]:
    """Return the compiled query."""
    return compile_query(CATALOGUE, query, scope, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("metric", sorted(CATALOGUE.metrics))
def test_every_split_on_offer_passes_the_guard(metric: str, dialect: str) -> None:
    allowed = CATALOGUE.metrics[metric].allowed_dims
    for dims in [(), *((dim,) for dim in allowed), *(("store", dim) for dim in allowed if dim != "store")]:
        for statement in statements(SemanticQuery((metric,), WEEK, dims), dialect=dialect):
            assert check(statement.sql, dialect).reason == ""


@pytest.mark.parametrize("metric", sorted(CATALOGUE.metrics))
def test_every_statement_is_scoped_by_tenant_and_stores(metric: str) -> None:
    for statement in statements(SemanticQuery((metric,), WEEK, ("store",))):
        assert "o.tenant_id = :tenant AND o.store_id IN (:stores)" in statement.sql
        assert (statement.params["tenant"], statement.params["stores"]) == (1, (1, 2))


def test_values_are_bound_and_never_written() -> None:
    filters = filters_of({"store": ("上海一店",), "channel": ("外卖' OR 1=1 --",)})
    [statement] = statements(SemanticQuery(("gmv",), WEEK, (), filters))
    assert "外卖" not in statement.sql
    assert statement.params["in_channel"] == ("外卖' OR 1=1 --",)
    assert statement.params["stores"] == (1,)


def test_days_are_half_open_inside() -> None:
    [statement] = statements(SemanticQuery(("gmv",), WEEK))
    assert (statement.params["first"], statement.params["after"]) == ("2026-11-14", "2026-11-21")
    assert "o.business_date >= :first AND o.business_date < :after" in statement.sql


def test_two_facts_never_meet_in_one_statement() -> None:
    found = statements(SemanticQuery(("gmv", "units", "repeat_rate", "items_per_order"), WEEK, ("store",)))
    assert [statement.measures for statement in found] == [
        ("paid_amount", "paid_orders"),
        ("units",),
        ("repeat_members", "active_members"),
    ]


def test_a_chain_in_two_zones_opens_its_day_twice() -> None:
    [statement] = statements(SemanticQuery(("gmv",), WEEK, ("new_old",)), TWO_ZONES)
    assert statement.params["opening_0"] == "2026-11-13 16:00:00.000000"
    assert statement.params["opening_1"] == "2026-11-13 18:00:00.000000"
    assert check(statement.sql, "sqlite").passed


@pytest.mark.parametrize(
    ("metric", "dim", "reason"),
    [
        ("repeat_rate", "day", "复购率"),
        ("aov", "category", "客单价"),
        ("gmv", "sku", "GMV"),
        ("new_members", "new_old", "新客"),
    ],
)
def test_a_wrong_combination_is_refused_in_chinese(metric: str, dim: str, reason: str) -> None:
    with pytest.raises(QueryRefused, match=reason):
        statements(SemanticQuery((metric,), WEEK, (dim,)))


def test_a_filter_never_widens_the_scope() -> None:
    with pytest.raises(QueryRefused):
        statements(SemanticQuery(("gmv",), WEEK, (), filters_of({"store": ("北京一店",)})))
    with pytest.raises(QueryRefused):
        statements(SemanticQuery(("gmv",), WEEK), Scope(1, ()))
