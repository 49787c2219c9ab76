"""DingTalk's frames as updates: every content type, and what clients leave out or write otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.platforms.dingtalk.decode import Undecodable, decode_message, decode_press, is_over_quota
from handlers.codec import dump_update, load_update
from handlers.messages import Press, Update

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dingtalk"
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


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
    ("name", "note"),
    [
        ("message__rich_text_picture_only", "richText"),
        ("message__audio_not_understood", "audio"),
        ("message__picture", "picture"),
        ("message__file", "file"),
        ("message__video", "video"),
        ("message__unknown", "unknownMsgType"),
        ("message__without_type", "no msgtype"),
    ],
)
def test_what_has_no_words_is_named(name: str, note: str) -> None:
    update = decoded(name)
    assert (update.kind, update.note, update.text) == ("other", note, "")


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
    assert not is_over_quota(recorded("message__text"))
    assert not is_over_quota(["errorCode"])


@pytest.mark.parametrize("where", ["content_string", "content_object", "value_only", "top_level_action", "in_params"])
def test_a_press_is_found_wherever_the_client_put_it(where: str) -> None:
    update = pressed(f"press__{where}")
    assert (update.kind, update.press) == ("press", Press("c-42", "launch"))
    assert (update.address.user_id, update.address.conversation) == ("Manager4220", "user:manager4220")


def test_the_index_of_a_button_in_an_array_is_left_for_the_card_to_judge() -> None:
    assert pressed("press__array_suffix").press == Press("c-42", "launch0")


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
