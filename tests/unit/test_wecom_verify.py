"""Raw query and body to authenticated bytes."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.wecom.crypto import Envelope, Reason, WecomRejected
from bot.platforms.wecom.verify import MAX_BODY_BYTES, verify, verify_url
from bot.sandbox.wecom_callbacks import Callbacks
from tests.fakes.wecom import NOW, settings

APP = settings()
ENVELOPE = Envelope(APP.token.get_secret_value(), APP.aes_key.get_secret_value(), APP.corp_id)
TEXT = Callbacks(APP, lambda: NOW).message("zhangsan", "text", {"Content": "我的券"})


def rejected(query: dict[str, str], body: bytes, now: float = NOW) -> WecomRejected:
    with pytest.raises(WecomRejected) as caught:
        verify(ENVELOPE, query, body, now, 300)
    return caught.value


def test_a_genuine_callback_gives_its_xml() -> None:
    xml = verify(ENVELOPE, TEXT.query, TEXT.body, NOW, 300)
    assert xml.decode() == TEXT.xml
    assert "<![CDATA[我的券]]>" in TEXT.xml


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_parameter_is_named(name: str, value: str | None) -> None:
    query = {key: text for key, text in TEXT.query.items() if key != name}
    error = rejected({**query, name: value} if value is not None else query, TEXT.body)
    assert (error.reason, error.detail, error.status) == (Reason.MISSING, name, 400)


def test_a_replay_of_last_year_is_stale() -> None:
    error = rejected(TEXT.query, TEXT.body, NOW + 365 * 86400)
    assert (error.reason, error.status) == (Reason.STALE, 403)


def test_a_forged_timestamp_does_not_make_it_fresh() -> None:
    later = NOW + 86400
    assert rejected({**TEXT.query, "timestamp": str(int(later))}, TEXT.body, later).reason is Reason.SIGNATURE


def test_too_large_a_body_is_refused_unread() -> None:
    error = rejected(TEXT.query, b"<" * (MAX_BODY_BYTES + 1))
    assert (error.reason, error.status) == (Reason.TOO_LARGE, 413)


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b'{"encrypt":"x"}', id="JSON"),
        pytest.param(b"<xml><Encrypt>x</Encrypt>", id="unclosed"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><xml/>', id="unknown encoding"),
        pytest.param(BOMB, id="entities"),
        pytest.param(b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>', id="external DTD"),
        pytest.param(b"<xml><Encrypt>\x00</Encrypt></xml>", id="NUL"),
        pytest.param(b"<a>" * 21_000, id="deep"),
    ],
)
def test_a_body_that_is_no_envelope_is_unparsable(body: bytes) -> None:
    error = rejected(TEXT.query, body)
    assert (error.reason, error.status) == (Reason.UNPARSABLE, 400)


def test_deep_nesting_costs_no_time() -> None:
    body = b"<a>" * 9_000 + b"</a>" * 9_000
    start = time.perf_counter()
    assert rejected(TEXT.query, body).reason is Reason.MISSING
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "body", [b"<xml/>", b"<xml><Encrypt> </Encrypt></xml>", b"<xml><a><Encrypt>x</Encrypt></a></xml>"]
)
def test_an_envelope_without_content_is_refused(body: bytes) -> None:
    error = rejected(TEXT.query, body)
    assert (error.reason, error.detail) == (Reason.MISSING, "Encrypt")


def test_the_unsigned_outer_tags_are_not_read() -> None:
    body = TEXT.body.replace(b"<ToUserName><![CDATA[ww1]]></ToUserName>", b"<ToUserName>other</ToUserName>")
    assert body != TEXT.body
    assert verify(ENVELOPE, TEXT.query, body, NOW, 300).decode() == TEXT.xml


def test_a_callback_for_another_corp_is_refused() -> None:
    stranger = Callbacks(settings(corp_id="ww2"), lambda: NOW).message("zhangsan", "text", {"Content": "x"})
    error = rejected(stranger.query, stranger.body)
    assert (error.reason, error.status) == (Reason.RECEIVE_ID, 403)


def test_the_url_check_answers_exactly_the_digits() -> None:
    query, digits = Callbacks(APP, lambda: NOW).url_check()
    assert digits.isdigit()
    assert verify_url(ENVELOPE, query, NOW, 300) == digits


def test_an_echostr_decoded_twice_is_refused() -> None:
    callbacks = Callbacks(APP, lambda: NOW)
    query = next(query for query, _ in iter(callbacks.url_check, None) if "+" in query["echostr"])
    with pytest.raises(WecomRejected) as caught:
        verify_url(ENVELOPE, {**query, "echostr": query["echostr"].replace("+", " ")}, NOW, 300)
    assert caught.value.reason is Reason.SIGNATURE


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce", "echostr"])
def test_the_url_check_names_a_missing_parameter(name: str) -> None:
    query, _ = Callbacks(APP, lambda: NOW).url_check()
    del query[name]
    with pytest.raises(WecomRejected) as caught:
        verify_url(ENVELOPE, query, NOW, 300)
    assert (caught.value.reason, caught.value.detail) == (Reason.MISSING, name)


def test_a_stale_or_oversized_url_check_is_refused() -> None:
    query, _ = Callbacks(APP, lambda: NOW).url_check()
    with pytest.raises(WecomRejected, match="stale"):
        verify_url(ENVELOPE, query, NOW + 301, 300)
    with pytest.raises(WecomRejected, match="too_large"):
        verify_url(ENVELOPE, {**query, "echostr": "A" * (MAX_BODY_BYTES + 4)}, NOW, 300)


def test_an_echostr_that_is_no_text_is_unparsable() -> None:
    sealed = ENVELOPE.seal(b"\xff\xfe", str(int(NOW)), "n")
    query = {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": "n", "echostr": sealed.encrypt}
    with pytest.raises(WecomRejected, match="unparsable"):
        verify_url(ENVELOPE, query, NOW, 300)


@given(st.integers(0, len(TEXT.body) - 1), st.integers(0, 30), st.binary(max_size=30))
def test_a_damaged_body_is_genuine_or_rejected_and_nothing_else(at: int, dropped: int, put: bytes) -> None:
    body = TEXT.body[:at] + put + TEXT.body[at + dropped :]
    with suppress(WecomRejected):
        assert verify(ENVELOPE, TEXT.query, body, NOW, 300).decode() == TEXT.xml
