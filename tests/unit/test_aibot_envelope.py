"""The JSON envelope against the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.aibot.envelope import open_callback, seal_answer, verify_url
from bot.platforms.aibot.inbound import Undecodable, parse
from bot.platforms.wecom.crypto import Envelope, Reason, Sealed, WecomRejected

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures/wecom/vectors.json").read_text("utf-8"))
NAMES = ("msg_signature", "timestamp", "nonce")
VECTORS: dict[str, dict[str, Any]] = {vector["id"]: vector for vector in FIXTURE["vectors"]}


def envelope(name: str) -> Envelope:
    keys = FIXTURE["sets"][VECTORS[name]["set"]]
    return Envelope(keys["token"], keys["aes_key"], VECTORS[name]["receiveid"])


def query(name: str, signature: str = "msg_signature") -> dict[str, str]:
    vector = VECTORS[name]
    return {signature: vector["signature"], "timestamp": vector["timestamp"], "nonce": vector["nonce"]}


def opened(name: str, field: str = "encrypt", signature: str = "msg_signature") -> bytes:
    body = json.dumps({field: VECTORS[name]["encrypt"]}).encode()
    now = float(VECTORS[name]["timestamp"])
    return open_callback(envelope(name), query(name, signature), body, now, 300).message


@pytest.mark.parametrize("name", ["V5", "S5", "S6"])
@pytest.mark.parametrize("field", ["encrypt", "Encrypt"])
@pytest.mark.parametrize("signature", ["msg_signature", "msgsignature", "signature"])
def test_a_vector_opens_under_every_name(name: str, field: str, signature: str) -> None:
    assert opened(name, field, signature).decode() == VECTORS[name]["plaintext"]


def test_a_vector_with_a_wrong_signature_is_refused() -> None:
    with pytest.raises(WecomRejected) as caught:
        opened("V5b")
    assert caught.value.reason is Reason.SIGNATURE


def test_a_genuine_message_that_is_no_json_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        parse(opened("V8"))


def test_the_url_check_gives_the_digits() -> None:
    vector = VECTORS["S3"]
    asked = {**query("S3"), "echostr": vector["encrypt"]}
    assert verify_url(envelope("S3"), asked, float(vector["timestamp"]), 300) == vector["plaintext"]


@pytest.mark.parametrize("name", ["S1", "S2"])
def test_what_we_seal_is_the_vector(name: str) -> None:
    vector = VECTORS[name]
    made = envelope(name).seal(
        vector["plaintext"].encode(), vector["timestamp"], vector["nonce"], vector["random16"].encode()
    )
    assert (made.encrypt, made.signature) == (vector["encrypt"], vector["signature"])


def test_an_answer_repeats_time_and_nonce_of_the_request() -> None:
    body = json.dumps({"encrypt": VECTORS["S5"]["encrypt"]}).encode()
    asked = open_callback(envelope("S5"), query("S5"), body, float(VECTORS["S5"]["timestamp"]), 300)
    answer = json.loads(seal_answer(envelope("S5"), {"msgtype": "stream"}, asked))
    assert (answer["timestamp"], answer["nonce"]) == (1700000000, "abc123")
    sealed = Sealed(answer["encrypt"], answer["msgsignature"], "1700000000", "abc123")
    assert json.loads(envelope("S5").open(sealed)) == {"msgtype": "stream"}


@pytest.mark.parametrize(
    ("body", "changes", "now", "reason"),
    [
        (b"{}", {}, 1700000000, Reason.MISSING),
        (b"[]", {}, 1700000000, Reason.MISSING),
        (b'{"encrypt": 7}', {}, 1700000000, Reason.MISSING),
        (b"no json", {}, 1700000000, Reason.UNPARSABLE),
        (b"[" * 60000, {}, 1700000000, Reason.UNPARSABLE),
        (b"x" * 65537, {}, 1700000000, Reason.TOO_LARGE),
        (b'{"encrypt": "a"}', {"nonce": ""}, 1700000000, Reason.MISSING),
        (b'{"encrypt": "a"}', {"timestamp": "x"}, 1700000000, Reason.UNPARSABLE),
        (b'{"encrypt": "a"}', {}, 1700000301, Reason.STALE),
        (b'{"encrypt": "a"}', {}, 1700000000, Reason.SIGNATURE),
    ],
)
def test_what_is_wrong_has_its_reason(body: bytes, changes: dict[str, str], now: int, reason: Reason) -> None:
    with pytest.raises(WecomRejected) as caught:
        open_callback(envelope("S5"), query("S5") | changes, body, now, 300)
    assert caught.value.reason is reason


@given(st.binary(min_size=1, max_size=6), st.floats(0, 1), st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_mutated_bytes_are_opened_or_rejected(patch: bytes, where: float, changes: dict[str, str]) -> None:
    body = bytearray(json.dumps({"encrypt": VECTORS["S5"]["encrypt"]}).encode())
    at = int(where * (len(body) - len(patch)))
    body[at : at + len(patch)] = patch
    try:
        parse(open_callback(envelope("S5"), query("S5") | changes, bytes(body), 1700000000, 300).message)
    except (WecomRejected, Undecodable):
        return
