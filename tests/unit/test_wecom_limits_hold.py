"""Whatever there is to say, what is rendered passes the strict rules of the pretend WeCom and of its groups."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards import wecom, wecom_group
from bot.platforms.base import CardRef
from bot.sandbox.wecom_api import ApiError
from bot.sandbox.wecom_bodies import checked_card, checked_news, checked_text
from handlers.messages import Article, Button, Card, Chart, Choice, News, Option, Part, Table, Text
from tests.fakes.table_picture import PlainPictures

REF = CardRef("c-0123456789abcdef")
MARKS = ("**粗**", "[看](https://example.invalid/a)", "- 项", "\n", "|", "|---|", '<font color="info">绿</font>')
PIECES = (*MARKS, "👩‍👩‍👧", "\x00")
said = st.lists(st.one_of(st.text(max_size=60), st.sampled_from(PIECES)), max_size=8).map("".join)
long_said = st.one_of(said, said.map(lambda text: text * 40))
words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
addresses = st.sampled_from(["https://example.invalid/", "http://example.invalid/页?a=1&b=2"])
keys = st.text("abcdefghij_", min_size=1, max_size=40)


@st.composite
def buttons(draw: st.DrawFn, least: int = 0) -> tuple[Button, ...]:
    named = draw(st.lists(keys, unique=True, min_size=least, max_size=9))
    return tuple(Button(key, draw(words), "act", primary=draw(st.booleans())) for key in named)


@st.composite
def choices(draw: st.DrawFn) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            question,
            draw(words),
            tuple(Option(key, draw(words)) for key in draw(st.lists(keys, unique=True, min_size=1, max_size=22))),
            draw(st.booleans()),
            draw(st.lists(keys, max_size=2).map(tuple)),
        )
        for question in draw(st.lists(keys, unique=True, max_size=4))
    )


cards = st.builds(
    Card,
    kind_of_card=st.just("plan"),
    title=said,
    text=long_said,
    fields=st.lists(st.tuples(said, said), max_size=8).map(tuple),
    buttons=buttons(),
    footer=said,
    state=said,
    link=st.one_of(st.just(""), addresses),
    picture_url=st.one_of(st.just(""), addresses),
    choices=choices(),
)
articles = st.builds(Article, title=words.map(lambda word: word * 9), url=addresses, description=long_said)
tables = st.integers(1, 5).flatmap(
    lambda columns: st.builds(
        Table,
        title=said,
        columns=st.lists(said, min_size=columns, max_size=columns).map(tuple),
        rows=st.lists(st.lists(said, min_size=columns, max_size=columns).map(tuple), max_size=60).map(tuple),
    )
)
charts = st.integers(0, 5).flatmap(
    lambda points: st.builds(
        Chart,
        title=said,
        labels=st.lists(said, min_size=points, max_size=points).map(tuple),
        series=st.lists(
            st.tuples(said, st.lists(st.floats(), min_size=points, max_size=points).map(tuple)), max_size=3
        ).map(tuple),
    )
)
parts = st.one_of(
    st.builds(Text, long_said), cards, tables, charts, st.builds(News, st.lists(articles, max_size=17).map(tuple))
)
APP_BYTES = {"text": 2048, "markdown": 2048}
GROUP_BYTES = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}


def check(body: dict[str, Any], text_bytes: dict[str, int], *, group: bool) -> None:
    """Raise `ApiError` for a body the pretend WeCom refuses; a picture is still to be drawn."""
    kind = body["msgtype"]
    if kind == "template_card":
        checked_card(body[kind], group=group)
    elif kind == "news":
        checked_news(body[kind])
    elif kind != "image":
        checked_text(body[kind], text_bytes[kind])


@given(parts)
def test_the_app_is_given_nothing_it_would_refuse(part: Part) -> None:
    for body in wecom.render(part, REF, PlainPictures()):
        check(body, APP_BYTES, group=False)


@given(cards)
def test_an_update_is_nothing_it_would_refuse(card: Card) -> None:
    checked_card({**wecom.render_update(card, REF)})


@given(parts)
def test_a_group_is_given_nothing_it_would_refuse(part: Part) -> None:
    for body in wecom_group.render(part, PlainPictures()):
        check(body, GROUP_BYTES, group=True)


def test_the_check_of_this_file_refuses_what_is_too_long() -> None:
    with pytest.raises(ApiError):
        check({"msgtype": "text", "text": {"content": "a" * 2049}}, APP_BYTES, group=False)
