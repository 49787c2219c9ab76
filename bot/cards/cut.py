"""Cutting text into messages without tearing it.

A piece ends at a line end if there is one in its second half, else after a sentence, a clause or a word, and at worst
between two characters as readers see them. Links stay whole; bold, coloured text, code and tables that go on in the
next piece are closed in the one and opened again in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.cards.blocks import read_blocks
from bot.cards.graphemes import boundary
from bot.cards.marks import Span, spans_of

ELLIPSIS = "…"
SURROGATES = re.compile(r"[\ud800-\udfff]")  # halves of characters, which UTF-8 cannot write
CLOSERS = "」』”’）》】)"
NEVER_FIRST = frozenset(CLOSERS + "。！？；，、：…")
# The best first: where a text may end, before white space or after a mark.
LINE_END = re.compile(r"(?=\n)")
SENTENCE_END = re.compile(rf"[。！？；…][{CLOSERS}]*|[.!?;](?=\s)")
CLAUSE_END = re.compile(r"[，、：]|,(?=\D)")
WORD_END = re.compile(r"(?=[ \t\u3000])")
ENDS = (LINE_END, SENTENCE_END, CLAUSE_END, WORD_END)
# Between two pieces: line ends with the blank lines after them, but not the indent of what follows; else spaces.
GAP = re.compile(r"(?:[^\S\n]*\n)+|[^\S\n]*")

NUMBER = re.compile(r"[¥￥$]?\d(?:[\d,.:-]*\d)?[%万亿折元]?")
# What leads to something that is gone: a bullet without its words, a comma.
HANGING = " \t\n\r\u3000·•，、："

# Room for one character, however a measure counts it, and the marks around it.
LEAST = 8

Measure = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` of what `measure` counts in a text."""

    measure: Measure
    most: int


def utf8_bytes(text: str) -> int:
    """Return the bytes of UTF-8."""
    return len(text.encode())


def json_bytes(text: str) -> int:
    """Return the bytes of UTF-8 the text takes inside a JSON string."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def cut_bytes(text: str, limit: int) -> list[str]:
    """Return the text in pieces of at most `limit` bytes of UTF-8, 8 or more; none for white space alone."""
    return _cut(text, (Limit(utf8_bytes, limit),))


def cut_chars_and_bytes(text: str, max_chars: int, max_bytes: int) -> list[str]:
    """Return the text in pieces of at most so many characters, and so many bytes inside a JSON string; 8 or more."""
    return _cut(text, (Limit(len, max_chars), Limit(json_bytes, max_bytes)))


def shorten(text: str, limit: int) -> str:
    """Return the text in at most `limit` characters, with an ellipsis where something is gone.

    A number is kept whole or not at all: half of an amount is another amount.
    """
    if len(text) <= limit:
        return text
    at = boundary(text, max(limit - 1, 0))
    at = next((number.start() for number in NUMBER.finditer(text) if number.start() < at < number.end()), at)
    return text[:at].rstrip(HANGING) + ELLIPSIS


def _cut(text: str, limits: Sequence[Limit]) -> list[str]:
    if min(limit.most for limit in limits) < LEAST:
        raise ValueError(f"pieces of less than {LEAST} cannot hold every character")
    whole = _closed(SURROGATES.sub("", text).rstrip().lstrip("\n"))
    spans = [span for span in spans_of(whole) if _affordable(span, limits)]
    return [piece for piece in _pieces(whole, spans, limits) if piece.strip()]


def _closed(text: str) -> str:
    """Return the text with its last code block closed."""
    last = read_blocks(text)[-1]
    return f"{text}\n{last.fence}" if last.kind == "code" and not last.closed else text


def _affordable(span: Span, limits: Sequence[Limit]) -> bool:
    """Whether a piece has room for the marks: three of them may stand inside one another."""
    return all(limit.measure(span.opening + span.closing) <= limit.most // 4 for limit in limits)


def _pieces(text: str, spans: Sequence[Span], limits: Sequence[Limit]) -> Iterator[str]:
    start, opening = 0, ""
    while not _fits(opening + text[start:], limits):
        reach = _reach(text, start, opening, limits)
        near = [span for span in spans if span.start <= reach and span.end > start]
        marks = opening + "".join({span.closing for span in near})
        cut = _place(text, start, _reach(text, start, marks, limits), near)
        held = [span for span in near if span.holds(cut)]
        closing = "".join(span.closing for span in reversed(held))
        yield opening + text[start:cut].rstrip() + closing
        start = _next(text, cut, held)
        opening = "".join(span.opening for span in held)
    yield opening + text[start:].rstrip()


def _fits(text: str, limits: Sequence[Limit]) -> bool:
    # No measure counts less than one for a character, and counting characters is quick.
    return all(len(text) <= limit.most and limit.measure(text) <= limit.most for limit in limits)


def _reach(text: str, start: int, marks: str, limits: Sequence[Limit]) -> int:
    """Return how far a piece from `start` can go beside its marks, at least one character."""
    low, high = start, min(len(text), start + min(limit.most for limit in limits))
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(marks + text[start:middle], limits):
            low = middle
        else:
            high = middle - 1
    return max(low, start + 1)


def _place(text: str, start: int, end: int, spans: Sequence[Span]) -> int:
    """Return the best place to cut between `start` and `end`, which is before the end of the text."""
    half = (end - start) // 2
    near = [replace(span, whole=True) if span.end - span.start <= half else span for span in spans]

    def allowed(at: int) -> bool:
        return (
            start < at <= end and text[at] not in NEVER_FIRST and boundary(text, at) == at and _may_cut(text, at, near)
        )

    for pattern in ENDS:
        places = [match.end() for match in pattern.finditer(text, start + half, end + 1)]
        best = next(filter(allowed, reversed(places)), None)
        if best is not None:
            return best
    anywhere = next(filter(allowed, range(end, start, -1)), boundary(text, end))
    return anywhere if anywhere > start else end


def _may_cut(text: str, at: int, spans: Sequence[Span]) -> bool:
    return not any(
        span.forbids(at) or (span.by_lines and span.start < at < span.end and text[at] != "\n") for span in spans
    )


def _next(text: str, cut: int, held: Sequence[Span]) -> int:
    """Return where the next piece begins: white space at a cut is dropped, except the indent of code."""
    if any(span.closing.startswith("\n") for span in held):
        return cut + 1 if text[cut] == "\n" else cut
    gap = GAP.match(text, cut)
    return gap.end() if gap else cut
