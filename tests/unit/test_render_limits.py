"""Whatever a handler says, what the renderers make of it is within the platforms' limits."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.cards import dingtalk, wecom
from bot.platforms.base import CardRef
from bot.sandbox.wecom_card_rules import first_fault
from handlers.messages import Article, Button, Card, Chart, File, News, Part, Picture, Table, Text

REF = CardRef("plan-17-9f3a")
WECOM_BYTES = 2048  # doc 90236
DINGTALK_BYTES = 15_000  # of msgParam, title and text together
DINGTALK_CARD_CHARS = 3_000

PIECES = st.sampled_from(
    [
        "门店",
        "GMV",
        "，",
        "。",
        "\n",
        "\n\n",
        " ",
        "👨‍👩‍👧‍👦",
        "**要紧**",
        "[看](https://e.com/a)",
        "```\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        '"',
        "\\",
        "\x01",
        "长" * 700,
    ]
)
WORDS = st.lists(PIECES, max_size=25).map("".join)
SHORT = st.text(st.characters(codec="utf-8"), max_size=60)
CELLS = st.one_of(SHORT, st.sampled_from(["¥12.3万（↑5.2%）", "98", "—", "长" * 300]))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(SHORT, min_size=1, max_size=5))
    rows = draw(st.lists(st.tuples(*[CELLS] * len(columns)), max_size=80))
    return Table(draw(SHORT), tuple(columns), tuple(rows))


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    labels = draw(st.lists(SHORT, max_size=8))
    values = st.tuples(*[st.floats(-1e9, 1e9)] * len(labels))
    series = draw(st.lists(st.tuples(SHORT, values), max_size=4))
    return Chart(draw(SHORT), tuple(labels), tuple(series), draw(st.sampled_from(["line", "bar"])))


@st.composite
def cards(draw: st.DrawFn) -> Card:
    labels = draw(st.lists(st.sampled_from(["上架", "改一改", "一个很长很长的按钮名字", "好👍"]), max_size=9))
    buttons = tuple(Button(f"b{chr(97 + number)}", label, "act") for number, label in enumerate(labels))
    fields = tuple(draw(st.lists(st.tuples(SHORT, WORDS), max_size=9)))
    title, state = draw(SHORT.filter(str.strip)), draw(SHORT)
    return Card("plan", title, draw(WORDS), fields, buttons, draw(SHORT), state)


ARTICLES = st.lists(st.builds(Article, SHORT, st.just("https://e.com/a"), WORDS), min_size=1, max_size=8)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, WORDS),
    tables(),
    charts(),
    cards(),
    st.builds(Picture, st.just("a.png"), st.just("aGk="), SHORT),
    st.builds(File, st.just("a.pdf"), st.just("aGk=")),
    st.builds(News, ARTICLES.map(tuple)),
)


@given(PARTS)
def test_wecom_is_sent_nothing_too_long(part: Part) -> None:
    for body in wecom.render(part, REF):
        content = body.get(body["msgtype"], {}).get("content", "")
        assert len(content.encode()) <= WECOM_BYTES
        if body["msgtype"] == "template_card":
            assert first_fault(body["template_card"]) is None


@given(PARTS)
def test_dingtalk_is_sent_nothing_too_long(part: Part) -> None:
    for body in dingtalk.render(part, REF):
        message = body.get("fallback", body)
        assert _json_bytes({"title": message.get("title", ""), "text": message.get("text", "")}) <= DINGTALK_BYTES
        assert len(body.get("params", {}).get("markdown", "")) <= DINGTALK_CARD_CHARS


def _json_bytes(body: dict[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode())
