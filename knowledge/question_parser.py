"""From a Chinese question to a `SemanticQuery`, or to what was not understood.

No score decides: a question is answered when every word of it was read and the words fit together, else the bot
asks back and offers sentences that work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from knowledge.catalogue import Catalogue
from knowledge.periods import default_period
from knowledge.question_parts import Parts, gather
from knowledge.question_reader import LONGEST, read_words
from knowledge.semantic import Compare, Order, SemanticQuery, filters_of, question_of
from knowledge.stores import StoreRef
from knowledge.vocabulary import Trie, catalogue_words, normal, store_words

NO_TIME = "您没说时间，先给最近7天"
NO_METRIC = "您没说指标，先给{metrics}"
UNFINISHED = "期间还没结束，数字会继续变"
TOO_LONG = "这句话太长了，请分开问。"
NOTHING = "我没看出要看哪个数字。"
NOT_READ = "这几个字我没看懂：{words}。"
TWO_PERIODS = "一次只能看一段时间，请分开问。"
TWO_WAYS_TO_RANK = "排名一次只能按一个维度（比如门店）。"
NO_DATA_ON = "还没有{name}的数据。"
NO_SUCH_STORE = "没有「{said}」，一共 {count} 家店。"
WHICH_STORE = "「{said}」有 {count} 家：{names}。请说全名。"
NOT_YOURS = "「{name}」不在您负责的门店里，看不了它的数据。"
EXAMPLES = ("最近7天各门店GMV、订单数、客单价", "上周各渠道订单数", "本月复购率")
SUGGESTIONS = 3
PLURAL = ("哪些", "哪几")
SEVERAL = 3
WORD_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Understood:
    """The question as a query, and what was assumed to get there."""

    query: SemanticQuery
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskBack:
    """Why there is no query, in Chinese, and sentences that would work."""

    reason: str
    suggestions: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    forbidden: bool = False  # understood, and not this person's to see


class QuestionParser:
    """Reads questions by one catalogue; safe to share, it keeps nothing between questions."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._words = catalogue_words(catalogue)

    def parse(
        self, text: str, today: date, stores: Sequence[StoreRef], allowed: Collection[int]
    ) -> Understood | AskBack:
        """Return the query of a person who may see the `allowed` stores, or why there is none."""
        if len(normal(text)) > LONGEST:
            return AskBack(TOO_LONG, EXAMPLES)
        parts = self.parts(text, today, stores)
        problem = _problem(parts, stores, allowed)
        if problem:
            forbidden = not parts.unknown and _foreign(parts, allowed) is not None
            return AskBack(problem, self._suggestions(parts, today), tuple(parts.unknown), forbidden)
        return self._query(parts, text, today)

    def parts(self, text: str, today: date, stores: Sequence[StoreRef], extra: Sequence[Trie] = ()) -> Parts:
        """Return what the words of the question are, with further words to be read beside the catalogue's."""
        return gather(read_words(text, today, stores, (*extra, self._words, store_words(stores))))

    def _query(self, parts: Parts, text: str, today: date) -> Understood | AskBack:
        metrics, dims = self._metrics(parts), _dims(parts)
        refusals = [self.catalogue.refusal(metric, dim) for metric in metrics for dim in dims]
        if any(refusals):
            return AskBack(next(reason for reason in refusals if reason) + "。", EXAMPLES)
        query = SemanticQuery(
            metrics=metrics,
            period=parts.periods[0] if parts.periods else default_period(today),
            dims=dims,
            filters=filters_of(_filters(parts)),
            order=_order(parts, metrics),
            limit=_limit(parts, text),
            compare=_compare(parts),
        )
        return Understood(query, self._notes(parts, query))

    def _metrics(self, parts: Parts) -> tuple[str, ...]:
        if parts.metrics:
            return tuple(parts.metrics)
        if {"sku", "category"} & set(_dims(parts)):
            return ("units",)
        if any(word.sales for word in parts.business):
            return ("gmv",)
        return self.catalogue.default_metrics

    def _notes(self, parts: Parts, query: SemanticQuery) -> tuple[str, ...]:
        titles = "、".join(self.catalogue.metrics[name].title for name in query.metrics)
        notes = (
            (not parts.periods, NO_TIME),
            (not parts.metrics and not parts.business, NO_METRIC.format(metrics=titles)),
            (query.period.unfinished, UNFINISHED),
        )
        return tuple(text for applies, text in notes if applies)

    def _suggestions(self, parts: Parts, today: date) -> tuple[str, ...]:
        """Return sentences that work, first of them what was understood of this one."""
        metrics, dims = self._metrics(parts), _dims(parts)
        fits = not any(self.catalogue.refusal(metric, dim) for metric in metrics for dim in dims)
        own = SemanticQuery(metrics, parts.periods[0] if parts.periods else default_period(today), dims)
        first = [question_of(own, self.catalogue)] if fits and not parts.empty else []
        return tuple(dict.fromkeys([*first, *EXAMPLES]))[:SUGGESTIONS]


def _problem(parts: Parts, stores: Sequence[StoreRef], allowed: Collection[int]) -> str | None:
    """Return why the words do not make one question, most telling reason first."""
    if parts.absent:
        return NO_DATA_ON.format(name="、".join(parts.absent))
    if parts.unknown:
        return NOT_READ.format(words="、".join(f"「{text[:WORD_SHOWN]}」" for text in parts.unknown[:SEVERAL]))
    if parts.empty:
        return NOTHING
    return store_problem(parts, stores, allowed) or _form_problem(parts)


def store_problem(parts: Parts, stores: Sequence[StoreRef], allowed: Collection[int]) -> str | None:
    """Return why the stores named cannot be read: unknown, ambiguous, or somebody else's."""
    for word in parts.stores:
        if not word.stores:
            return NO_SUCH_STORE.format(said=word.said, count=len(stores))
        if len(word.stores) > 1:
            names = "、".join(store.name for store in word.stores[:SEVERAL])
            return WHICH_STORE.format(said=word.said, count=len(word.stores), names=names)
    foreign = _foreign(parts, allowed)
    return NOT_YOURS.format(name=foreign.name) if foreign else None


def _foreign(parts: Parts, allowed: Collection[int]) -> StoreRef | None:
    """Return the first store named that is not among the allowed ones."""
    named = (word.stores[0] for word in parts.stores if len(word.stores) == 1)
    return next((store for store in named if store.id not in allowed), None)


def _form_problem(parts: Parts) -> str | None:
    dims = _dims(parts)
    if len(parts.periods) > 1 and not _is_against_previous(parts):
        return TWO_PERIODS
    if parts.rank and len(dims) != 1:
        return TWO_WAYS_TO_RANK
    return None


def _is_against_previous(parts: Parts) -> bool:
    """Tell whether two periods are a period and the one before it, set against each other: 本周和上周对比."""
    if len(parts.periods) != 2 or not parts.compares:
        return False
    later = max(parts.periods, key=lambda period: period.first)
    earlier = min(parts.periods, key=lambda period: period.first)
    parts.periods = [later, earlier]
    return later.previous().first == earlier.first


def _dims(parts: Parts) -> tuple[str, ...]:
    """Return the dimensions in the order named; a course goes by day, a ranking over stores, unless said otherwise."""
    dims = list(parts.dims)
    if parts.rank and parts.rank.dim and parts.rank.dim not in dims:
        dims.append(parts.rank.dim)
    dims += [dim for dim in _side_by_side(parts) if dim not in dims]
    if (parts.rank or parts.sort) and not dims:
        dims.append("store")
    if parts.trend and not {"day", "week", "month", "hour", "weekday"} & set(dims):
        dims.append("day")
    return tuple(dims)


def _side_by_side(parts: Parts) -> list[str]:
    """Return the dimensions whose named values are set against each other: 上海和北京对比, 小程序和外卖对比."""
    if parts.compares != [None]:
        return []
    named = {"store": len(parts.stores), **{dim: len(values) for dim, values in parts.values.items()}}
    return [dim for dim, count in named.items() if count > 1]


def _filters(parts: Parts) -> dict[str, tuple[str, ...]]:
    chosen = {dim: tuple(values) for dim, values in parts.values.items()}
    return {"store": tuple(dict.fromkeys(word.stores[0].name for word in parts.stores)), **chosen}


def _order(parts: Parts, metrics: tuple[str, ...]) -> Order | None:
    word = parts.rank or parts.sort
    return Order(metrics[0], word.descending) if word else None


def _limit(parts: Parts, text: str) -> int | None:
    if parts.rank is None:
        return None
    return parts.rank.count or (SEVERAL if any(word in text for word in PLURAL) else 1)


def _compare(parts: Parts) -> Compare | None:
    """Return the comparison meant; 各门店对比 sets stores side by side and needs no second period."""
    if not parts.compares:
        return None
    named = next((kind for kind in parts.compares if kind), None)
    if named or len(parts.periods) > 1 or not _dims(parts):
        return named or "previous"
    return None
