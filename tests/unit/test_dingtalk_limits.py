"""Whatever is shown stays within DingTalk's limits: random parts, both renderers, the strict cloud's rules."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cards import dingtalk_group, table_picture
from bot.cards.dingtalk import render
from bot.cards.dingtalk_card import CARD_CHARS, for_own_template
from bot.platforms.base import CardRef
from bot.platforms.dingtalk.wire import robot_message, webhook_body
from bot.sandbox.dingtalk_cards import READY_TEMPLATE, Cards
from bot.sandbox.dingtalk_messages import MAX_PARAM_BYTES, NEEDED
from bot.sandbox.dingtalk_rooms import Rooms
from bot.sandbox.dingtalk_webhooks import MAX_BODY_BYTES
from bot.sandbox.phones import Phones
from handlers.messages import Article, Button, Card, Chart, Choice, File, News, Option, Part, Picture, Table, Text

WORDS = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from('字a1 \n#>*-|`<>😀"\\'), max_size=200),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=20), st.integers(1, 400)),
)
URLS = st.sampled_from(["", "https://x.cn/1", "https://x.cn/1.png", "not a page"])
KEYS = st.text(st.sampled_from("abcdefg_:é"), min_size=1, max_size=12)
DATA = st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode())


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(st.text(max_size=8), min_size=1, max_size=5))
    row = st.tuples(*[st.text(max_size=12)] * len(columns))
    return Table(draw(WORDS), tuple(columns), tuple(draw(st.lists(row, max_size=30))))


@st.composite
def cards(draw: st.DrawFn) -> Card:
    keys = draw(st.lists(KEYS, max_size=4, unique=True))
    options = st.builds(Option, KEYS, WORDS)
    choice = st.builds(
        Choice, KEYS, WORDS, st.lists(options, max_size=8, unique_by=lambda one: one.key).map(tuple), st.booleans()
    )
    return Card(
        "plan",
        draw(WORDS),
        draw(WORDS),
        tuple(draw(st.lists(st.tuples(st.text(max_size=9), WORDS), max_size=4))),
        tuple(Button(key, draw(WORDS), "do", primary=draw(st.booleans())) for key in keys),
        draw(WORDS),
        draw(WORDS),
        draw(URLS),
        draw(URLS),
        tuple(draw(st.lists(choice, max_size=2))),
    )


PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, WORDS, st.booleans()),
    tables(),
    st.builds(Chart, WORDS, st.tuples(st.text(), st.text()), st.tuples(st.tuples(WORDS, st.tuples(st.floats(0, 9))))),
    cards(),
    st.builds(Picture, WORDS, DATA, WORDS),
    st.builds(File, WORDS, DATA),
    st.builds(News, st.lists(st.builds(Article, WORDS, URLS, WORDS, URLS), max_size=9).map(tuple)),
)


def check_message(payload: dict[str, Any]) -> None:
    """Hold a message against the limits of each way it may go."""
    if payload["type"] in ("picture", "file", "table"):
        payload = payload | {"media": "@l0", "type": "file" if payload["type"] == "file" else "picture"}
    if (body := webhook_body(payload)) is not None:
        assert len(json.dumps(body).encode("utf-8")) > 0
        assert len(json.dumps(body, ensure_ascii=False).encode()) <= MAX_BODY_BYTES
    if payload["type"] != "actionCard":
        message = robot_message(payload)
        assert NEEDED[message.key] <= message.param.keys()
        assert len(message.body("dingfake")["msgParam"].encode()) <= MAX_PARAM_BYTES


def check_card(payload: dict[str, Any]) -> None:
    """Have the strict cloud create the card, on the ready template and on one of our own."""
    check_message(payload["fallback"])
    phones = Phones()
    cloud = Cards("dingfake", Rooms(phones))
    for number, params in enumerate((payload["params"], for_own_template(payload["params"]))):
        assert len(params["markdown"]) <= CARD_CHARS
        body = {
            "outTrackId": f"c-{number}",
            "cardTemplateId": READY_TEMPLATE,
            "cardData": {"cardParamMap": params},
            "openSpaceId": "dtv1.card//IM_ROBOT.u1",
            "imRobotOpenSpaceModel": {},
            "imRobotOpenDeliverModel": {"robotCode": "dingfake"},
        }
        assert cloud.create_and_deliver(body)["success"]
    phones.close()


@settings(max_examples=300)
@given(PARTS)
def test_every_payload_of_the_app_is_within_the_limits(part: Part) -> None:
    for payload in render(part, CardRef("c-1"), table_picture):
        json.dumps(payload)
        if payload["type"] == "card":
            check_card(payload)
        else:
            check_message(payload)


@settings(max_examples=200)
@given(PARTS)
def test_every_payload_of_a_group_robot_is_within_the_limits(part: Part) -> None:
    for payload in dingtalk_group.render(part):
        body = webhook_body(payload)
        assert body is not None
        assert len(json.dumps(body, ensure_ascii=False).encode()) <= MAX_BODY_BYTES
