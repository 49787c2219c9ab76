"""Cutting a question into words, all of it: the cut that leaves the least unread, in the fewest words.

Words overlap (上周|三号店 or 上周三|号店), so every word at every position is an edge of a lattice and the cheapest
path through it is the reading. A character that belongs to no word costs more than any word, and is handed back: a
question counts as understood only when nothing is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from knowledge.numerals import NUMERAL, read_number
from knowledge.periods import find_periods
from knowledge.stores import StoreRef
from knowledge.vocabulary import PeriodWord, RankWord, StoreWord, Token, Trie, Unknown, normal

UNREAD_COST = 10
WORD_COST = 1
LONGEST = 300  # characters; nobody asks for a report in more

_UNITS = {
    "店": "store",
    "家": "store",
    "城市": "city",
    "渠道": "channel",
    "品类": "category",
    "商品": "sku",
    "天": "day",
}
_UNIT = r"(?P<unit>家门店|家店铺|家店|家|个门店|个店|个城市|个渠道|个品类|个商品|款商品|种商品|名|位|款|个)"
_FIRST = re.compile(rf"(?:排名)?(?P<word>前|后|倒数第?|top)(?P<n>{NUMERAL}){_UNIT}?")
_MOST = re.compile(
    r"(?P<word>最好|最高|最多|最大|最强|最差|最低|最少|最小|最弱|垫底|末位)的?"
    rf"(?:(?P<n>{NUMERAL})?(?:{_UNIT}|(?P<bare>门店|店铺|店|城市|渠道|品类|商品|天)))?"
)
_LOWEST = re.compile(r"后|倒数|最差|最低|最少|最小|最弱|垫底|末位")
_ORDINAL = re.compile(rf"第?(?P<n>{NUMERAL})号(?:门店|店)|第(?P<m>{NUMERAL})家(?:门店|店)?")


@dataclass(frozen=True, slots=True)
class _Path:
    """The cheapest reading of the rest of the text."""

    cost: int
    tokens: tuple[Token, ...]


def read_words(text: str, today: date, stores: Sequence[StoreRef], tries: Sequence[Trie]) -> tuple[Token, ...]:
    """Return the text as words in order; what no word covers comes as `Unknown`, joined where it is adjacent."""
    plain = normal(text)[:LONGEST]
    best = [_Path(0, ())] * (len(plain) + 1)
    for at in range(len(plain) - 1, -1, -1):
        best[at] = _cheapest(plain, at, best, _edges(plain, at, today, stores, tries))
    return _joined(best[0].tokens)


def _cheapest(text: str, at: int, best: list[_Path], edges: Iterator[tuple[int, Token]]) -> _Path:
    rest = best[at + 1]
    chosen = _Path(UNREAD_COST + rest.cost, (Unknown(text[at]), *rest.tokens))
    longest = 0
    for end, token in edges:
        if _splits_number(text, at) or _splits_number(text, end):
            continue
        cost = WORD_COST + best[end].cost
        if cost < chosen.cost or (cost == chosen.cost and end > longest):
            chosen, longest = _Path(cost, (token, *best[end].tokens)), end
    return chosen


def _splits_number(text: str, at: int) -> bool:
    """Tell whether the position lies between two digits: 11月 must not be read as a stray 1 and 1月."""
    return 0 < at < len(text) and text[at - 1].isdecimal() and text[at].isdecimal()


def _edges(
    text: str, at: int, today: date, stores: Sequence[StoreRef], tries: Sequence[Trie]
) -> Iterator[tuple[int, Token]]:
    """Yield every word at the position; of two equally long ones the earlier yielded wins."""
    for trie in tries:
        yield from trie.words_at(text, at)
    for end, period in find_periods(text, at, today):
        yield end, PeriodWord(period)
    ordinal = _ORDINAL.match(text, at)
    if ordinal:
        yield ordinal.end(), _numbered_store(ordinal, stores)
    for pattern in (_FIRST, _MOST):
        rank = pattern.match(text, at)
        if rank:
            yield rank.end(), _rank(rank)


def _numbered_store(match: re.Match[str], stores: Sequence[StoreRef]) -> StoreWord:
    number = read_number(match["n"] or match["m"]) or 0
    return StoreWord(tuple(stores[number - 1 : number]) if number else (), match[0])


def _rank(match: re.Match[str]) -> RankWord:
    groups = match.groupdict()
    unit = groups.get("unit") or groups.get("bare") or ""
    dim = next((dim for word, dim in _UNITS.items() if word in unit), {"款": "sku", "天": "day"}.get(unit))
    return RankWord(not _LOWEST.match(match["word"]), read_number(groups["n"]) if groups["n"] else None, dim)


def _joined(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    merged: list[Token] = []
    for token in tokens:
        before = merged[-1] if merged else None
        if isinstance(token, Unknown) and isinstance(before, Unknown):
            merged[-1] = Unknown(before.text + token.text)
        else:
            merged.append(token)
    return tuple(merged)
