"""DingTalk's frames as updates: every content type, and what clients leave out or write otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.dingtalk.decode import decode_message, decode_press, is_over_quota
from bot.platforms.dingtalk.raw import Undecodable
from handlers.codec import dump_update, load_update
from handlers.messages import Attachment, Press, Update

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dingtalk"
NOW = datetime(2025, 11, 21, 0, 30, 1, tzinfo=UTC)  # a second after the recorded messages


def recorded(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return data


def decoded(name: str, **fields: Any) -> Update:
    return decode_message(recorded(name) | fields, "acme", NOW)


def pressed(name: str, **fields: Any) -> Update:
    return decode_press(recorded(name) | fields, "acme", NOW, "frame-1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("message__text", "最近7天各门店GMV"),
        ("message__text_in_group", "最近7天各门店GMV"),
        ("message__text_in_content", "最近7天各门店GMV"),
        ("message__rich_text", "看看这周复购率"),
        ("message__audio", "今天天气提醒"),
    ],
)
def test_words_become_text(name: str, text: str) -> None:
    update = decoded(name)
    assert (update.kind, update.text) == ("text", text)


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("message__rich_text_picture_only", Attachment("image", reference="d")),
        ("message__audio_not_understood", Attachment("voice", reference="d")),
        ("message__picture", Attachment("image", reference="d")),
        ("message__file", Attachment("file", "a.pdf", "d")),
        ("message__video", Attachment("video", reference="d")),
    ],
)
def test_what_has_no_words_is_an_attachment(name: str, attachment: Attachment) -> None:
    update = decoded(name)
    assert (update.kind, update.text, update.attachments) == ("media", "", (attachment,))


@pytest.mark.parametrize(("name", "kind"), [("message__rich_text", "image"), ("message__audio", "voice")])
def test_words_with_something_beside_them_keep_both(name: str, kind: str) -> None:
    update = decoded(name)
    assert (update.kind, [one.kind for one in update.attachments]) == ("text", [kind])


@pytest.mark.parametrize(
    ("name", "note"), [("message__unknown", "unknownMsgType"), ("message__without_type", "no msgtype")]
)
def test_what_we_have_never_heard_of_is_named(name: str, note: str) -> None:
    update = decoded(name)
    assert (update.kind, update.note, update.text) == ("other", note, "")


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        ("message__quotes_text", "最近7天 GMV 12,345"),
        ("message__quotes_rich_text", "看看这个"),
        ("message__quotes_file", "排班表.xlsx"),
        ("message__quotes_picture", ""),
        ("message__text", ""),
    ],
)
def test_the_message_it_replies_to_is_quoted(name: str, quote: str) -> None:
    update = decoded(name)
    assert (update.kind, update.quote) == ("text", quote)


def test_what_lay_somewhere_for_half_an_hour_is_stale_and_has_no_words() -> None:
    late = decode_message(recorded("message__text"), "acme", NOW + timedelta(minutes=31))
    assert (late.kind, late.note, late.text, late.dedupe_key) == (
        "other",
        "stale",
        "",
        decoded("message__text").dedupe_key,
    )
    soon = decode_message(recorded("message__text"), "acme", NOW + timedelta(minutes=29))
    assert soon.kind == "text"


def test_a_clock_that_is_ahead_makes_no_message_stale() -> None:
    ahead = NOW + timedelta(hours=1)
    update = decode_message(recorded("message__text"), "acme", ahead, surely=NOW)
    assert (update.kind, update.received_at) == ("text", ahead)


@pytest.mark.parametrize("created_at", [None, "", "soon", -1, 10**40, {}, True])
def test_a_message_whose_age_is_not_known_is_taken(created_at: Any) -> None:
    assert decoded("message__text", createAt=created_at).kind == "text"


def test_the_session_webhook_is_sealed_before_it_is_kept() -> None:
    update = decode_message(recorded("message__text"), "acme", NOW, seal=lambda text: f"sealed {len(text)}")
    assert update.address.hints["sessionWebhook"] == "sealed 58"
    assert "oapi.dingtalk.com" not in json.dumps(dump_update(update))


def test_one_to_one_is_the_conversation_of_the_person() -> None:
    address = decoded("message__text").address
    assert (address.conversation, address.user_id, address.group) == ("user:manager4220", "Manager4220", False)


def test_a_group_is_its_own_conversation() -> None:
    address = decoded("message__text_in_group").address
    assert (address.conversation, address.user_id, address.group) == ("cidGroup==", "Manager4220", True)


def test_someone_outside_the_organisation_has_no_id_and_is_noted() -> None:
    update = decoded("message__outsider")
    assert (update.kind, update.note, update.text) == ("other", "outsider", "")
    assert (update.address.user_id, update.address.conversation) == ("", "cidAbC123==")


def test_the_reply_address_travels_as_a_hint_and_the_nickname_does_not() -> None:
    update = decoded("message__text")
    assert update.address.hints == {
        "conversationId": "cidAbC123==",
        "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=0000",
        "sessionWebhookExpiredTime": 1763690400000,
    }
    assert "张三" not in dump_update(update)


def test_an_expiry_in_text_form_is_read_and_a_missing_one_gives_no_webhook() -> None:
    hints = decoded("message__text", sessionWebhookExpiredTime="1763690400000").address.hints
    assert hints["sessionWebhookExpiredTime"] == 1763690400000
    assert "sessionWebhook" not in decoded("message__text", sessionWebhookExpiredTime=None).address.hints


def test_two_robots_in_one_group_get_different_keys() -> None:
    first, second = decoded("message__text_in_group"), decoded("message__text_in_group", robotCode="other")
    assert first.dedupe_key == "msg:dingrobot:msgT0pQx=="
    assert first.dedupe_key != second.dedupe_key


def test_a_very_long_id_still_fits_the_key_column() -> None:
    first, second = (decoded("message__text", msgId="m" * 500 + end) for end in "ab")
    assert len(first.dedupe_key) <= 191
    assert first.dedupe_key != second.dedupe_key


def test_half_an_emoji_and_nul_are_taken_out() -> None:
    update = decoded("message__text", text={"content": "好\ud83d的\x00"})
    assert update.text == "好?的"
    assert load_update(json.loads(dump_update(update))) == update


@pytest.mark.parametrize("data", [None, [], "text", 1, {}, {"msgId": ""}, {"msgId": ["x"]}, {"msgId": True}])
def test_a_message_without_an_id_is_refused(data: Any) -> None:
    with pytest.raises(Undecodable):
        decode_message(data, "acme", NOW)


@pytest.mark.parametrize("content", [None, [], 7, "{", "[]", {"richText": "x"}, {"richText": [None, 1, {"text": 3}]}])
def test_odd_content_is_not_an_error(content: Any) -> None:
    update = decoded("message__rich_text", content=content)
    assert (update.kind, update.note) == ("other", "richText")


def test_over_quota_is_seen_before_anything_is_read() -> None:
    assert is_over_quota(recorded("message__over_quota"))
    assert is_over_quota({"errorCode": "20001"})
    assert is_over_quota({"errCode": 20001, "errMsg": "over quota"})
    assert not is_over_quota({"errorCode": True})
    assert not is_over_quota(recorded("message__text"))
    assert not is_over_quota(["errorCode"])


@pytest.mark.parametrize(
    "where", ["content_string", "content_object", "value_only", "top_level_action", "in_params", "own_template"]
)
def test_a_press_is_found_wherever_the_client_put_it(where: str) -> None:
    update = pressed(f"press__{where}")
    assert (update.kind, update.press) == ("press", Press("c-42", "launch"))
    assert (update.address.user_id, update.address.conversation) == ("Manager4220", "user:manager4220")


def test_the_index_of_a_button_in_an_array_is_left_for_the_card_to_judge() -> None:
    assert pressed("press__array_suffix").press == Press("c-42", "launch0")


@pytest.mark.parametrize("index", ["", "0", "12"])
def test_a_button_that_stands_for_an_option_says_what_was_chosen(index: str) -> None:
    content = {"cardPrivateData": {"actionIds": [f"pick:submit:how%3A=by%20phone:{index}"], "params": {}}}
    assert pressed("press__content_object", content=content).press == Press("c-42", "submit", {"how:": ("by phone",)})


def test_pressing_again_is_another_press_and_the_same_frame_is_not() -> None:
    data = recorded("press__content_string")
    keys = [decode_press(data, "acme", NOW, frame).dedupe_key for frame in ("a", "b", "a")]
    assert keys == ["press:a", "press:b", "press:a"]


def test_a_press_without_a_frame_id_is_known_by_its_content() -> None:
    data = recorded("press__content_string")
    first, second, other = (
        decode_press(one, "acme", NOW, "").dedupe_key for one in (data, data, data | {"userId": "u2"})
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("press__no_action", {}),
        ("press__content_string", {"outTrackId": ""}),
        ("press__content_string", {"userId": None}),
        ("press__content_object", {"content": {"cardPrivateData": {"actionIds": [{}]}}}),
    ],
)
def test_a_press_that_names_no_card_button_or_person_is_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        pressed(name, **fields)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RECORDED = sorted(path.stem for path in FIXTURES.glob("*__*.json") if path.stem.startswith(("message", "press")))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A recorded payload in which something, somewhere, is something else."""
    value: Any = recorded(draw(st.sampled_from(RECORDED)))
    place = value
    while isinstance(place, dict) and place:
        name = draw(st.sampled_from(sorted(place)))
        if draw(st.booleans()) or not isinstance(place[name], dict):
            replaced: Any = draw(JSON | st.just(json.dumps(draw(JSON))))
            place[name] = replaced
            break
        place = place[name]
    return value


@given(mutated() | JSON)
def test_nothing_but_undecodable_ever_comes_out(data: Any) -> None:
    with contextlib.suppress(Undecodable):
        assert_storable(decode_message(data, "acme", NOW))
    with contextlib.suppress(Undecodable):
        assert_storable(decode_press(data, "acme", NOW, "frame-1"))


def assert_storable(update: Update) -> None:
    stored = json.dumps(dataclasses.asdict(update), ensure_ascii=False, default=str)
    stored.encode()
    assert load_update(json.loads(stored)) == update
