"""An aibot's JSON to an Update."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.platforms.aibot.decode import Decoder
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.inbound import Inbound, Kicked, Poll, Undecodable, parse
from handlers.codec import dump_update, load_update
from handlers.messages import Address, Attachment, GivenFeedback, Press, Update

INBOUND = Path(__file__).parents[1] / "fixtures/aibot/inbound"
AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
CASES = sorted(path.stem for path in INBOUND.glob("*.json"))
READER = Decoder("acme", bot_name="店小二", seal=lambda url: f"sealed:{len(url)}")
PICTURE = "https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com/abc"


def recorded(name: str) -> dict[str, Any]:
    return parse((INBOUND / f"{name}.json").read_bytes())


def decoded(name: str, **changes: Any) -> Inbound:
    return READER.decode(recorded(name) | changes, AT)


def update(name: str, **changes: Any) -> Update:
    found = decoded(name, **changes)
    assert isinstance(found, Update)
    return found


def stored(found: Update) -> dict[str, Any]:
    """The update as the inbox gives it back."""
    dumped: Any = dump_update(found)
    return dict(json.loads(dumped if isinstance(dumped, str) else json.dumps(dumped)))


def test_a_direct_text_is_all_there() -> None:
    key = "aibot-c6e07bf6bdbf4cffe90915947ba141a65d293b3fb4e1301d"
    hints = Hints(AT.timestamp(), key, key, "sealed:69", chat="ZhangSan")
    assert update("text__direct") == Update(
        tenant="acme",
        dedupe_key=key,
        kind="text",
        address=Address("aibot", "user:zhangsan", "zhangsan", False, hints.packed(), "wecom"),
        received_at=AT,
        text="最近7天各门店GMV",
    )


def test_a_group_text_goes_back_to_the_group_without_the_mention() -> None:
    found = update("text__group")
    assert (found.text, found.address.group, found.address.conversation) == (
        "今天有什么券",
        True,
        "chat:wrkSFfCgAAxxYYzz01",
    )
    assert (found.address.user_id, found.address.people) == ("zhangsan", "wecom")


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        ("text__quote", "王女士，生日快乐！"),
        ("text__quoted_picture", "[图片]"),
        ("text__quoted_mixed", "新品到了\n[图片]"),
        ("text__direct", ""),
    ],
)
def test_a_quote_is_its_text(name: str, quote: str) -> None:
    assert update(name).quote == quote


@pytest.mark.parametrize(
    ("name", "kind", "text", "attached"),
    [
        ("image__photo", "media", "", "image"),
        ("image__socket_key", "media", "", "image"),
        ("file__report", "media", "", "file"),
        ("video__clip", "media", "", "video"),
        ("mixed__group", "text", "这件怎么写", "image"),
        ("mixed__picture_only", "media", "", "image"),
    ],
)
def test_what_is_no_text_is_attached(name: str, kind: str, text: str, attached: str) -> None:
    found = update(name)
    assert (found.kind, found.text) == (kind, text)
    assert found.attachments == (Attachment(attached, "", PICTURE),)  # type: ignore[arg-type]
    assert "c2VjcmV0" not in str(stored(found))


def test_a_voice_is_its_transcript() -> None:
    assert (update("voice__transcript").kind, update("voice__transcript").text) == ("text", "今天天气提醒")
    assert (update("voice__empty").kind, update("voice__empty").attachments) == ("media", (Attachment("voice"),))


def test_what_is_not_known_is_news_and_no_error() -> None:
    with capture_logs() as logs:
        assert (update("location__unknown").kind, update("location__unknown").note) == ("other", "unknown:location")
        assert decoded("group_renamed__unknown") is None
    assert {(entry["event"], entry["log_level"]) for entry in logs} == {("aibot.unknown", "info")}


@pytest.mark.parametrize("name", ["text__without_user", "text__from_sys", "text__group_without_chat"])
def test_nobodys_messages_are_passed_over(name: str) -> None:
    assert decoded(name) is None


def test_an_open_userid_keeps_its_case() -> None:
    assert update("text__open_userid").address.user_id == "woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA"
    assert update("text__direct", **{"from": {"userid": "Wolf"}}).address.user_id == "wolf"


def test_a_poll_names_the_stream_and_itself() -> None:
    assert decoded("stream__poll") == Poll("aibot-1", "POLL-1")


def test_opening_the_chat_is_an_entrance_without_a_stream() -> None:
    found = update("enter_chat__opened")
    assert (found.kind, found.note, Hints.of(found.address).stream) == ("enter", "enter_chat", "")


@pytest.mark.parametrize(
    ("name", "press"),
    [
        ("template_card_event__button", Press("c-17", "launch")),
        ("template_card_event__other_spelling", Press("c-17", "launch")),
        ("template_card_event__vote", Press("c-17", "submit", {"q1": ("o1", "o2")})),
        ("template_card_event__one_option", Press("c-17", "submit", {"q1": ("o1",)})),
    ],
)
def test_a_press_says_what_was_chosen(name: str, press: Press) -> None:
    found = update(name)
    assert (found.kind, found.press) == ("press", press)
    assert Hints.of(found.address).stream == ""


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("feedback_event__good", GivenFeedback("aibot-1", "good")),
        ("feedback_event__bad", GivenFeedback("aibot-1", "bad", "不完整、数据分析错误、门店少了一家")),
        ("feedback_event__withdrawn", GivenFeedback("aibot-1", "withdrawn")),
    ],
)
def test_a_thumb_is_feedback(name: str, given: GivenFeedback) -> None:
    assert (update(name).kind, update(name).feedback) == ("feedback", given)


def test_another_connection_took_over() -> None:
    assert decoded("disconnected_event__kicked") == Kicked()


def test_a_response_url_is_sealed_and_only_of_wecom() -> None:
    assert Hints.of(update("text__direct").address).response_url == "sealed:69"
    with capture_logs() as logs:
        assert Hints.of(update("text__foreign_response_url").address).response_url == ""
    assert [entry["event"] for entry in logs] == ["aibot.foreign_response_url"]
    assert "RC-1" not in str(logs)


def test_the_key_is_of_the_message_and_its_bot() -> None:
    keys = {
        update("text__direct").dedupe_key,
        update("text__direct", text={"content": "别的"}).dedupe_key,
        update("text__direct", msgid="other").dedupe_key,
        update("text__direct", aibotid="other").dedupe_key,
        update("text__direct", msgid="").dedupe_key,
        update("text__direct", msgid="", text={"content": "别的"}).dedupe_key,
    }
    assert len(keys) == 5
    assert all(len(key) <= 64 and key.startswith("aibot-") for key in keys)


def test_the_request_of_a_socket_answers_messages_and_presses_apart() -> None:
    hints = [
        Hints.of(found.address)
        for name in ("text__direct", "template_card_event__button")
        if isinstance(found := READER.decode(recorded(name), AT, "req-1"), Update)
    ]
    assert [(one.request, one.press_request) for one in hints] == [("req-1", ""), ("", "req-1")]


@pytest.mark.parametrize("name", CASES)
def test_every_update_survives_the_inbox(name: str) -> None:
    found = decoded(name)
    if isinstance(found, Update):
        assert load_update(stored(found)) == found


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"\xff", b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_what_is_no_object_of_text_is_undecodable(raw: bytes) -> None:
    with pytest.raises(Undecodable, match="json"):
        parse(raw)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("text__direct", {"msgtype": ""}, "msgtype"),
        ("enter_chat__opened", {"event": {}}, "msgtype"),
        ("stream__poll", {"stream": {}}, "stream.id"),
        ("text__direct", {"from": {"userid": "u" * 65}}, "userid"),
        ("text__group", {"chatid": "c" * 121}, "chatid"),
        ("template_card_event__button", {"event": {"eventtype": "template_card_event"}}, "task_id"),
    ],
)
def test_what_is_missing_is_named(name: str, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Undecodable, match=field):
        decoded(name, **changes)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(CASES), st.data())
def test_a_message_with_any_field_changed_is_read_or_undecodable(name: str, data: st.DataObject) -> None:
    message = recorded(name)
    holder: Any = message
    while True:
        key = data.draw(st.sampled_from(sorted(holder)))
        if isinstance(holder[key], dict) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(anything)
        break
    try:
        found = READER.decode(message, AT)
    except Undecodable:
        return
    if isinstance(found, Update):
        assert load_update(stored(found)) == found


@given(st.sampled_from(CASES), st.binary(min_size=1, max_size=6), st.floats(0, 1))
def test_mutated_bytes_are_read_or_undecodable(name: str, patch: bytes, where: float) -> None:
    raw = bytearray((INBOUND / f"{name}.json").read_bytes())
    at = int(where * (len(raw) - len(patch)))
    raw[at : at + len(patch)] = patch
    try:
        READER.decode(parse(bytes(raw)), AT)
    except Undecodable:
        return
