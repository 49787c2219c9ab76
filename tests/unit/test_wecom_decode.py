"""XML of a self-built app to an Update."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.platforms.wecom.crypto import Envelope, Reason, Sealed, WecomRejected
from bot.platforms.wecom.decode import IGNORED_EVENTS, INACTIVITY_EVENTS, MAX_KEY, decode
from bot.seal import Sealer
from handlers.codec import dump_update, load_update
from handlers.messages import Address, Attachment, Press, Update

INBOUND = Path(__file__).parents[1] / "fixtures/wecom/inbound"
AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
CASES = sorted(path.stem for path in INBOUND.glob("*.xml"))


def recorded(name: str) -> bytes:
    return (INBOUND / f"{name}.xml").read_bytes()


def update(name: str) -> Update:
    found = decode(recorded(name), "acme", AT)
    assert found is not None
    return found


def message(**fields: str) -> bytes:
    given = {"FromUserName": "lily", "MsgType": "text", "CreateTime": "1", "AgentID": "7", **fields}
    return ("<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in given.items()) + "</xml>").encode()


def key(xml: bytes) -> str:
    found = decode(xml, "acme", AT)
    assert found is not None
    return found.dedupe_key


def event(**fields: str) -> bytes:
    return message(**{"MsgType": "event", "Event": "click", **fields})


def test_a_text_is_all_there() -> None:
    assert update("text__question") == Update(
        tenant="acme",
        dedupe_key="message|1000002|zhangsan|1234567890123456789",
        kind="text",
        address=Address("wecom", "user:zhangsan", "zhangsan", hints={"agent_id": 1000002}),
        received_at=AT,
        text="最近7天各门店GMV",
    )


@pytest.mark.parametrize("name", [case for case in CASES if not case.endswith("from_sys")])
def test_every_update_survives_the_inbox(name: str) -> None:
    assert load_update(json.loads(dump_update(update(name)))) == update(name)


def test_a_voice_with_transcript_is_text() -> None:
    assert (update("voice__transcript").kind, update("voice__transcript").text) == ("text", "今天天气提醒")


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("voice__sound_only", Attachment("voice", reference="M1")),
        ("image__photo", Attachment("image", reference="M2")),
        ("video__clip", Attachment("video", reference="M3")),
        ("file__sheet", Attachment("file", "十一月排班.xlsx", "M4")),
        ("link__article", Attachment("link", "换季护理", "https://example.invalid/care?id=1&from=chat")),
        ("location__shop", Attachment("location", "上海市黄浦区南京东路1号", latitude=31.2304, longitude=121.4737)),
    ],
)
def test_what_is_no_text_is_an_attachment(name: str, attachment: Attachment) -> None:
    assert (update(name).kind, update(name).text, update(name).attachments) == ("media", "", (attachment,))


@pytest.mark.parametrize("angle", ["", "north", "nan", "inf", "90.5", "-1e9"])
def test_a_place_without_a_real_position_has_none(angle: str) -> None:
    found = decode(message(MsgType="location", Location_X=angle, Location_Y="121", Label="店"), "acme", AT)
    assert found is not None
    assert found.attachments == (Attachment("location", "店", latitude=None, longitude=121.0),)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("location_event__position", "event:location"),
        ("unsubscribe__left", "event:unsubscribe"),
        ("view__page", "event:view"),
    ],
)
def test_what_is_known_and_not_handled_says_what_it_was(name: str, note: str) -> None:
    with capture_logs() as logs:
        assert (update(name).kind, update(name).note) == ("other", note)
    assert {(entry["event"], bool(entry["reason"])) for entry in logs} == {("wecom.ignored", True)}


def test_a_pressed_button_names_card_and_button() -> None:
    pressed = update("template_card_event__button")
    assert pressed.kind == "press"
    assert pressed.press == Press(card="plan-17-9f3a", button="launch")
    assert pressed.address.hints == {"agent_id": 1000002, "response_code": "RC-1"}


def test_the_menu_of_a_card_is_a_press_too() -> None:
    pressed = update("template_card_menu_event__mute")
    assert (pressed.kind, pressed.press) == ("press", Press("push-4-12bc", "mute"))


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("vote_one", {"q1": ("o1",)}),
        ("vote_two", {"q1": ("o1", "o2")}),
        ("two_questions", {"city": ("sh",), "day": ("sat",)}),
        ("button", {}),
    ],
)
def test_a_press_says_what_was_chosen(name: str, chosen: dict[str, tuple[str, ...]]) -> None:
    press = update(f"template_card_event__{name}").press
    assert press is not None
    assert press.selected == chosen


def test_a_sealed_response_code_can_only_be_opened_with_the_key() -> None:
    sealer = Sealer("ours")
    found = decode(recorded("template_card_event__button"), "acme", AT, sealer.seal)
    assert found is not None
    assert "RC-1" not in json.dumps(dump_update(found))
    assert sealer.open(found.address.hints["response_code"]) == "RC-1"
    assert Sealer("theirs").open(found.address.hints["response_code"]) == ""


def test_a_menu_click_reads_like_its_words() -> None:
    assert (update("click__menu").kind, update("click__menu").text) == ("text", "今日任务")


@pytest.mark.parametrize(
    ("name", "note"), [("enter_agent__opened", "enter_agent"), ("subscribe__new_member", "subscribe")]
)
def test_entering_tells_an_opened_chat_from_a_new_member(name: str, note: str) -> None:
    assert (update(name).kind, update(name).note) == ("enter", note)


def test_the_system_is_not_answered() -> None:
    with capture_logs() as logs:
        assert decode(recorded("change_contact__from_sys"), "acme", AT) is None
    assert [entry["event"] for entry in logs] == ["wecom.system_event_ignored"]


def test_an_app_about_to_be_disabled_is_a_warning() -> None:
    with capture_logs() as logs:
        assert decode(recorded("inactive_alert__from_sys"), "acme", AT) is None
    assert (logs[0]["event"], logs[0]["log_level"], logs[0]["event_type"]) == (
        *("wecom.app_inactivity", "warning"),
        "inactive_alert",
    )


@pytest.mark.parametrize("xml", [message(MsgType="hologram", MsgId="1"), event(Event="hologram")])
def test_an_unknown_kind_is_news_and_no_error(xml: bytes) -> None:
    with capture_logs() as logs:
        found = decode(xml, "acme", AT)
    assert found is not None
    assert (found.kind, found.note) == ("other", "unknown:hologram")
    assert [entry["event"] for entry in logs] == ["wecom.unknown"]


def test_the_three_groups_do_not_overlap() -> None:
    handled = {"template_card_event", "template_card_menu_event", "click", "enter_agent", "subscribe"}
    assert not handled & IGNORED_EVENTS.keys()
    assert not INACTIVITY_EVENTS & IGNORED_EVENTS.keys()


def test_every_recorded_delivery_has_a_key_of_its_own_that_fits() -> None:
    keys = [update(name).dedupe_key for name in CASES if not name.endswith("from_sys")]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= MAX_KEY


def test_three_deliveries_of_one_message_have_one_key() -> None:
    assert key(message(MsgId="9", Content="a")) == key(message(MsgId="9", CreateTime="2"))


def test_one_msgid_for_two_people_or_apps_is_two_messages() -> None:
    """binarywang/WxJava #333."""
    assert len({key(message(MsgId="9", **other)) for other in ({}, {"FromUserName": "amy"}, {"AgentID": "8"})}) == 3


def test_the_user_id_has_no_case() -> None:
    assert key(message(MsgId="9", FromUserName="Lily")) == key(message(MsgId="9", FromUserName="lily"))


@pytest.mark.parametrize(
    "other",
    [
        {"CreateTime": "2"},
        {"AgentID": "8"},
        {"Event": "template_card_event"},
        {"EventKey": "b"},
        {"TaskId": "t2"},
        {"ResponseCode": "r2"},
        {"FromUserName": "amy"},
    ],
)
def test_two_events_within_one_second_are_two(other: dict[str, str]) -> None:
    """binarywang/WxJava #1745: the short key of FromUserName and CreateTime lost events."""
    base = {"EventKey": "a", "TaskId": "t1", "ResponseCode": "r1"}
    assert key(event(**base)) == key(event(**base))
    assert key(event(**base)) != key(event(**{**base, **other}))


def test_a_long_key_is_hashed_to_fit_the_column() -> None:
    keys = {key(event(EventKey="长" * 300 + end)) for end in "ab"}
    assert len(keys) == 2
    assert all(len(one) <= MAX_KEY for one in keys)


def test_a_response_code_does_not_stand_in_the_key() -> None:
    assert "RC-1" not in update("template_card_event__button").dedupe_key


def test_two_messages_without_an_id_are_told_apart_by_their_content() -> None:
    assert key(message(Content="a")) != key(message(Content="b"))
    assert key(message(Content="a")) == key(message(Content="a"))


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b'{"FromUserName": "x"}',
        b"<xml>",
        b"<xml/>",
        b"<xml><MsgType>text</MsgType></xml>",
        b"<xml><FromUserName>lily</FromUserName></xml>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>',
        b"<xml>\xff</xml>",
    ],
)
def test_what_cannot_be_read_is_rejected_cleanly(xml: bytes) -> None:
    with pytest.raises(WecomRejected) as caught:
        decode(xml, "acme", AT)
    assert (caught.value.reason, caught.value.status) == (Reason.UNPARSABLE, 400)


def test_v8_is_genuine_and_unreadable() -> None:
    """A published vector whose inside is malformed: the signature is right, the message is not."""
    fixture = json.loads((INBOUND.parent / "vectors.json").read_text("utf-8"))
    vector = next(vector for vector in fixture["vectors"] if vector["id"] == "V8")
    keys = fixture["sets"][vector["set"]]
    envelope = Envelope(keys["token"], keys["aes_key"], vector["receiveid"])
    sealed = Sealed(vector["encrypt"], vector["signature"], vector["timestamp"], vector["nonce"])
    with pytest.raises(WecomRejected, match="unparsable") as caught:
        decode(envelope.open(sealed), "acme", AT)
    assert caught.value.status == 400


def test_an_event_without_a_name_or_a_press_without_a_card_does_no_harm() -> None:
    nameless = decode(message(MsgType="event"), "acme", AT)
    assert nameless is not None
    assert (nameless.kind, nameless.note) == ("other", "unknown:event")
    press = decode(event(Event="template_card_event"), "acme", AT)
    assert press is not None
    assert press.press == Press("", "")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A recorded callback with some bytes replaced, dropped or doubled."""
    xml = bytearray(recorded(draw(st.sampled_from(CASES))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(xml) - 1))
        xml[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=40))
        if not xml:
            break
    return bytes(xml)


@given(damaged())
def test_a_damaged_callback_is_read_or_rejected_and_nothing_else(xml: bytes) -> None:
    with suppress(WecomRejected):
        found = decode(xml, "acme", AT)
        assert found is None or dump_update(found)


def test_an_absurd_agent_id_is_left_out() -> None:
    found = decode(message(AgentID="9" * 5000), "acme", AT)
    assert found is not None
    assert found.address.hints == {}
