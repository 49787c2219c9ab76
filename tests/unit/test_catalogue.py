"""The catalogue is checked as a whole, and an error names the entry."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from knowledge.catalogue import CatalogueError, build_catalogue, load_catalogue

RAW = tomllib.loads(resources.files("knowledge").joinpath("catalogue.toml").read_text("utf-8"))
DIMENSIONS = "day week month hour weekday store city channel category sku member_level new_old"
METRICS = (
    "gmv order_count aov paying_members new_members repeat_rate pay_success_rate units items_per_order discount_rate"
)


def test_the_shipped_catalogue_offers_the_documented_metrics_and_dimensions() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.metrics) == set(METRICS.split())
    assert set(catalogue.dimensions) == set(DIMENSIONS.split())


def test_every_metric_says_what_it_means_in_chinese() -> None:
    for metric in load_catalogue().metrics.values():
        assert len(metric.definition) >= 5
        assert metric.refusal


def test_a_split_that_would_count_twice_is_refused_with_a_reason() -> None:
    catalogue = load_catalogue()
    assert "重复计算" in (catalogue.refusal("aov", "category") or "")
    assert "复购率" in (catalogue.refusal("repeat_rate", "day") or "")
    assert catalogue.refusal("aov", "store") is None


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (lambda raw: raw["metrics"]["gmv"].pop("definition"), "metrics.gmv.definition"),
        (lambda raw: raw["metrics"]["gmv"].update(unit="dollar"), "metrics.gmv.unit"),
        (lambda raw: raw["metrics"]["gmv"].update(measure="nothing"), "metrics.gmv"),
        (lambda raw: raw["metrics"]["gmv"].update(type="ratio"), "metrics.gmv.type"),
        (lambda raw: raw["metrics"]["repeat_rate"].update(type="ratio"), "metrics.repeat_rate.type"),
        (lambda raw: raw["metrics"]["aov"].update(synonyms=["客单价", "gmv"]), "'gmv' already means gmv"),
        (lambda raw: raw["metrics"]["aov"].update(synonyms=[]), "metrics.aov.synonyms"),
        (lambda raw: raw["metrics"]["gmv"]["allowed_dims"].append("sku"), "metrics.gmv.allowed_dims"),
        (lambda raw: raw["metrics"]["gmv"]["allowed_dims"].append("galaxy"), "'galaxy' is not defined"),
        (lambda raw: raw["measures"]["units"].update(fact="moon"), "measures.units.fact"),
        (lambda raw: raw["measures"]["units"].update(joins=["moon"]), "measures.units.joins"),
        (lambda raw: raw["measures"]["units"].update(sql=""), "measures.units.sql"),
        (lambda raw: raw["dimensions"]["sku"].update(facts=["moon"]), "dimensions.sku.facts"),
        (lambda raw: raw["dimensions"]["day"].update(value="colour"), "dimensions.day.value"),
        (lambda raw: raw.pop("metrics"), "metrics"),
        (lambda raw: raw.pop("version"), "catalogue.version"),
        (lambda raw: raw.update(default_metrics=["profit"]), "'profit' is not defined"),
    ],
)
def test_a_wrong_entry_is_named(break_it: Callable[[dict[str, Any]], object], named: str) -> None:
    raw = copy.deepcopy(RAW)
    break_it(raw)
    with pytest.raises(CatalogueError, match=named.replace(".", r"\.")):
        build_catalogue(raw)
