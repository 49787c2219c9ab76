"""What the numbers mean: metrics, dimensions and the sums behind them, read from `catalogue.toml` and checked.

A definition that contradicts itself must not wait for a question to show it, so the whole file is checked when it
is loaded and the error names the entry.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

Unit = Literal["yuan", "count", "ratio", "number"]
MetricType = Literal["additive", "ratio", "distinct", "windowed_distinct"]
Fact = Literal["orders", "items", "members"]
ValueKind = Literal["date", "text", "hour", "weekday"]
JOINS = frozenset({"stores", "members", "products"})
FACTS: tuple[Fact, ...] = get_args(Fact)


class CatalogueError(ValueError):
    """The catalogue contradicts itself; `str()` names the entry."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A sum or count as SQL over one fact; additive ones may be added up over dimensions."""

    name: str
    fact: Fact
    unit: Unit
    additive: bool
    sql: str
    joins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with a meaning: one measure, or one divided by another."""

    name: str
    title: str
    synonyms: tuple[str, ...]
    unit: Unit
    type: MetricType
    definition: str
    allowed_dims: tuple[str, ...]
    refusal: str
    numerator: str
    denominator: str | None

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures it is made of."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to split a number; `phrase` is how a sentence says it."""

    name: str
    title: str
    phrase: str
    synonyms: tuple[str, ...]
    kind: Literal["time", "entity"]
    value: ValueKind
    joins: frozenset[str]
    facts: tuple[Fact, ...]
    sql: Mapping[str, str]  # by dialect


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every definition, by name."""

    version: int
    measures: Mapping[str, Measure]
    metrics: Mapping[str, Metric]
    dimensions: Mapping[str, Dimension]
    values: Mapping[str, Mapping[str, tuple[str, ...]]]
    absent: Mapping[str, tuple[str, ...]]
    default_metrics: tuple[str, ...]
    default_words: tuple[str, ...]
    sales_words: tuple[str, ...]
    filler_words: tuple[str, ...]
    unsupported_words: tuple[str, ...]

    def title(self, name: str) -> str:
        """Return the Chinese name of a metric or dimension."""
        return self.metrics[name].title if name in self.metrics else self.dimensions[name].title

    def refusal(self, metric: str, dim: str) -> str | None:
        """Return why the metric cannot be split by the dimension, or None when it can."""
        entry = self.metrics[metric]
        if dim in entry.allowed_dims:
            return None
        return f"{entry.title}不能按{self.dimensions[dim].title}看：{entry.refusal}"


def load_catalogue() -> Catalogue:
    """Return the catalogue that ships with the program."""
    raw = resources.files("knowledge").joinpath("catalogue.toml").read_text("utf-8")
    return build_catalogue(tomllib.loads(raw))


def build_catalogue(raw: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue of a parsed file, or raise an error that names the wrong entry."""
    catalogue = Catalogue(
        version=_take(raw, "version", int, "catalogue"),
        measures={name: _measure(name, entry) for name, entry in _section(raw, "measures")},
        metrics={name: _metric(name, entry) for name, entry in _section(raw, "metrics")},
        dimensions={name: _dimension(name, entry) for name, entry in _section(raw, "dimensions")},
        values={dim: {value: tuple(words) for value, words in of.items()} for dim, of in _section(raw, "values")},
        absent={name: tuple(words) for name, words in _section(raw, "absent")},
        default_metrics=_words(raw, "default_metrics", "catalogue"),
        default_words=_words(raw, "default_words", "catalogue"),
        sales_words=_words(raw, "sales_words", "catalogue"),
        filler_words=_words(raw, "filler_words", "catalogue"),
        unsupported_words=_words(raw, "unsupported_words", "catalogue"),
    )
    _check_references(catalogue)
    _check_words(catalogue)
    return catalogue


def _section(raw: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    section = raw.get(name)
    if not isinstance(section, dict) or not section:
        raise CatalogueError(f"{name}: the section is missing or empty")
    return list(section.items())


def _take(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or value == "":
        raise CatalogueError(f"{where}.{key}: expected {kind.__name__}")
    return value


def _words(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    words = _take(entry, key, list, where)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise CatalogueError(f"{where}.{key}: expected a list of words")
    return tuple(words)


def _choice(entry: Mapping[str, Any], key: str, allowed: object, where: str) -> Any:
    value = _take(entry, key, str, where)
    if value not in get_args(allowed):
        raise CatalogueError(f"{where}.{key}: {value!r} is none of {', '.join(get_args(allowed))}")
    return value


def _joins(entry: Mapping[str, Any], where: str) -> frozenset[str]:
    joins = frozenset(entry.get("joins", ()))
    if joins - JOINS:
        raise CatalogueError(f"{where}.joins: unknown {', '.join(sorted(joins - JOINS))}")
    return joins


def _measure(name: str, entry: Mapping[str, Any]) -> Measure:
    where = f"measures.{name}"
    return Measure(
        name=name,
        fact=_choice(entry, "fact", Fact, where),
        unit=_choice(entry, "unit", Unit, where),
        additive=_take(entry, "additive", bool, where),
        sql=_take(entry, "sql", str, where),
        joins=_joins(entry, where),
    )


def _metric(name: str, entry: Mapping[str, Any]) -> Metric:
    where = f"metrics.{name}"
    divided = "numerator" in entry
    return Metric(
        name=name,
        title=_take(entry, "title", str, where),
        synonyms=_words(entry, "synonyms", where),
        unit=_choice(entry, "unit", Unit, where),
        type=_choice(entry, "type", MetricType, where),
        definition=_take(entry, "definition", str, where),
        allowed_dims=_words(entry, "allowed_dims", where),
        refusal=_take(entry, "refusal", str, where),
        numerator=_take(entry, "numerator" if divided else "measure", str, where),
        denominator=_take(entry, "denominator", str, where) if divided else None,
    )


def _dimension(name: str, entry: Mapping[str, Any]) -> Dimension:
    where = f"dimensions.{name}"
    facts = tuple(entry.get("facts", FACTS))
    if not facts or set(facts) - set(FACTS):
        raise CatalogueError(f"{where}.facts: expected some of {', '.join(FACTS)}")
    sql = _take(entry, "sql", str, where)
    return Dimension(
        name=name,
        title=_take(entry, "title", str, where),
        phrase=_take(entry, "phrase", str, where),
        synonyms=_words(entry, "synonyms", where),
        kind=_take(entry, "kind", str, where),
        value=_choice(entry, "value", ValueKind, where),
        joins=_joins(entry, where),
        facts=facts,
        sql={"mysql": sql, "sqlite": entry.get("sqlite", sql)},
    )


def _check_references(catalogue: Catalogue) -> None:
    """Raise unless every name points at an entry and every split offered can be computed."""
    for metric in catalogue.metrics.values():
        where = f"metrics.{metric.name}"
        _known(metric.measures, catalogue.measures, f"{where}: measure")
        _known(metric.allowed_dims, catalogue.dimensions, f"{where}.allowed_dims")
        _check_type(metric, catalogue, where)
        for measure in metric.measures:
            _check_facts(metric, catalogue.measures[measure], catalogue)
    _known(catalogue.default_metrics, catalogue.metrics, "catalogue.default_metrics")
    _known(tuple(catalogue.values), catalogue.dimensions, "values")


def _known(names: tuple[str, ...], entries: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in entries:
            raise CatalogueError(f"{where}: {name!r} is not defined")


def _check_type(metric: Metric, catalogue: Catalogue, where: str) -> None:
    additive = all(catalogue.measures[name].additive for name in metric.measures)
    divided = metric.denominator is not None
    right = {
        "additive": additive and not divided,
        "ratio": additive and divided,
        "distinct": not additive and not divided,
        "windowed_distinct": not additive and divided,
    }
    if not right[metric.type]:
        raise CatalogueError(f"{where}.type: {metric.type} does not fit its measures")


def _check_facts(metric: Metric, measure: Measure, catalogue: Catalogue) -> None:
    for dim in metric.allowed_dims:
        if measure.fact not in catalogue.dimensions[dim].facts:
            raise CatalogueError(f"metrics.{metric.name}.allowed_dims: {measure.fact} has no {dim}")


def _check_words(catalogue: Catalogue) -> None:
    """Raise when one word would mean two things."""
    meanings: dict[str, str] = {}
    entries: list[Metric | Dimension] = [*catalogue.metrics.values(), *catalogue.dimensions.values()]
    for entry in entries:
        for word in dict.fromkeys((entry.title.lower(), *entry.synonyms)):
            other = meanings.setdefault(word, entry.name)
            if other != entry.name:
                raise CatalogueError(f"{entry.name}.synonyms: {word!r} already means {other}")
