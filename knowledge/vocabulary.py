"""The words a question may be made of, and what each one means.

Words stand in a trie, so that every word beginning at a position is found in one walk, however many stores there
are. Which of the overlapping words is meant is decided by the reader (`knowledge/question_reader.py`).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from knowledge.catalogue import Catalogue
from knowledge.periods import Period
from knowledge.semantic import Compare
from knowledge.stores import StoreRef

TREND_WORDS = ("趋势", "走势", "变化趋势", "趋势图", "走势图", "曲线", "折线图")
PREVIOUS_WORDS = ("环比", "比上期", "和上期比", "和上期对比", "与上期对比", "较上期", "和上一期对比", "和之前比")
YEAR_WORDS = ("同比", "和去年同期比", "和去年同期对比", "与去年同期对比", "较去年同期")
VERSUS_WORDS = ("对比", "比较", "相比", "比", "较", "vs", "pk")
DESCENDING_WORDS = ("排名", "排行", "排行榜", "排序", "从高到低", "由高到低", "降序")
ASCENDING_WORDS = ("从低到高", "由低到高", "升序")


@dataclass(frozen=True, slots=True)
class MetricWord:
    """A metric of the catalogue."""

    name: str


@dataclass(frozen=True, slots=True)
class BusinessWord:
    """A word for business in general: 业绩, 报表 (`sales` is False) or 卖得 (True)."""

    sales: bool


@dataclass(frozen=True, slots=True)
class DimWord:
    """A dimension to split by."""

    name: str


@dataclass(frozen=True, slots=True)
class TrendWord:
    """A course over time; by day unless another grain is named."""


@dataclass(frozen=True, slots=True)
class StoreWord:
    """Stores that bear the name; more than one when the short name is ambiguous, none when there is no such number."""

    stores: tuple[StoreRef, ...]
    said: str


@dataclass(frozen=True, slots=True)
class ValueWord:
    """One value of a dimension other than a store: a city, a channel, old customers."""

    dim: str
    value: str


@dataclass(frozen=True, slots=True)
class RankWord:
    """The first or last `count` of something; no dimension when the sentence names it elsewhere."""

    descending: bool
    count: int | None
    dim: str | None

    def joined(self, other: RankWord) -> RankWord:
        """Return both as one: 卖得最差的商品 前5 is the last five goods."""
        return RankWord(self.descending and other.descending, other.count or self.count, other.dim or self.dim)


@dataclass(frozen=True, slots=True)
class SortWord:
    """Sorted, uncut."""

    descending: bool


@dataclass(frozen=True, slots=True)
class CompareWord:
    """Set against another period; `kind` is None when the sentence has to name it."""

    kind: Compare | None


@dataclass(frozen=True, slots=True)
class AbsentWord:
    """Something there is no data on."""

    name: str


@dataclass(frozen=True, slots=True)
class PeriodWord:
    """A stretch of days."""

    period: Period


@dataclass(frozen=True, slots=True)
class Filler:
    """A word that adds nothing."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Text that means nothing here."""

    text: str


Token = (
    MetricWord
    | BusinessWord
    | DimWord
    | TrendWord
    | StoreWord
    | ValueWord
    | RankWord
    | SortWord
    | CompareWord
    | AbsentWord
    | PeriodWord
    | Filler
    | Unknown
)
_END: Literal[""] = ""


def normal(text: str) -> str:
    """Return the text in half-width lower case without blanks, as words are compared."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


class Trie:
    """Words and their meanings, found by walking the text once from a position."""

    def __init__(self, words: Iterable[tuple[str, Token]]) -> None:
        self._root: dict[str, Any] = {}
        for word, token in words:
            node = self._root
            for character in normal(word):
                node = node.setdefault(character, {})
            node.setdefault(_END, token)  # the first meaning stays: words are added in order of precedence

    def words_at(self, text: str, at: int) -> Iterator[tuple[int, Token]]:
        """Yield the end and meaning of every word that begins at the position."""
        node = self._root
        for place in range(at, len(text)):
            node = node.get(text[place], {})
            if not node:
                return
            if _END in node:
                yield place + 1, node[_END]


def catalogue_words(catalogue: Catalogue) -> Trie:
    """Return the words that are the same for every chain."""
    return Trie((word, token) for word, token in _fixed_words(catalogue) if word)


def filler_words(words: Iterable[str]) -> Trie:
    """Return words to be read over."""
    return Trie((word, Filler()) for word in words)


def _fixed_words(catalogue: Catalogue) -> Iterator[tuple[str, Token]]:
    for metric in catalogue.metrics.values():
        yield from ((word, MetricWord(metric.name)) for word in (metric.title, *metric.synonyms))
    for dim in catalogue.dimensions.values():
        yield from ((word, DimWord(dim.name)) for word in dim.synonyms)
    for name, values in catalogue.values.items():
        yield from ((word, ValueWord(name, value)) for value, words in values.items() for word in words)
    yield from ((word, AbsentWord(name)) for name, words in catalogue.absent.items() for word in words)
    yield from ((word, BusinessWord(sales=False)) for word in catalogue.default_words)
    yield from ((word, BusinessWord(sales=True)) for word in catalogue.sales_words)
    yield from ((word, TrendWord()) for word in TREND_WORDS)
    yield from ((word, CompareWord("previous")) for word in PREVIOUS_WORDS)
    yield from ((word, CompareWord("year")) for word in YEAR_WORDS)
    yield from ((word, CompareWord(None)) for word in VERSUS_WORDS)
    yield from ((word, SortWord(descending=True)) for word in DESCENDING_WORDS)
    yield from ((word, SortWord(descending=False)) for word in ASCENDING_WORDS)
    yield from ((word, Unknown(word)) for word in catalogue.unsupported_words)
    yield from ((word, Filler()) for word in catalogue.filler_words)


def store_words(stores: Iterable[StoreRef]) -> Trie:
    """Return the chain's store and city names, with the short forms people use."""
    named: dict[str, list[StoreRef]] = defaultdict(list)
    in_city: dict[str, list[StoreRef]] = defaultdict(list)
    for store in stores:
        in_city[store.city].append(store)
        for alias in _aliases(store):
            named[alias].append(store)
    return Trie([*_cities(in_city), *((word, StoreWord(tuple(of), word)) for word, of in named.items())])


def _cities(in_city: dict[str, list[StoreRef]]) -> Iterator[tuple[str, Token]]:
    for city, stores in in_city.items():
        yield city, ValueWord("city", city)
        yield f"{city}市", ValueWord("city", city)
        yield f"{city}店", StoreWord(tuple(stores), f"{city}店")


def _aliases(store: StoreRef) -> set[str]:
    """Return 上海静安店, 上海静安, 静安店 and 静安 for one store; never less than two characters."""
    short = store.name.removesuffix("门店").removesuffix("店")
    local = store.name.removeprefix(store.city)
    aliases = {store.name, short, local, local.removesuffix("店")}
    return {alias for alias in aliases if len(alias) >= 2 and alias != store.city}
