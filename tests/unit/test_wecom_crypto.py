"""The envelope against published vectors (WeCom doc 90968 and samples), and against what must not pass."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from wechatpy.enterprise.crypto import WeChatCrypto

from bot.platforms.wecom.crypto import Envelope, Reason, Sealed, WecomRejected, require_fresh

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures/wecom/vectors.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = FIXTURE["vectors"]
SIGNED = [vector for vector in VECTORS if vector.get("signature_ok")]
A = FIXTURE["sets"]["A"]


def by_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def one(name: str) -> dict[str, Any]:
    return next(vector for vector in VECTORS if vector["id"] == name)


def envelope(vector: dict[str, Any], receive_id: str | None = None) -> Envelope:
    keys = FIXTURE["sets"][vector["set"]]
    return Envelope(keys["token"], keys["aes_key"], vector["receiveid"] if receive_id is None else receive_id)


def sealed(vector: dict[str, Any]) -> Sealed:
    return Sealed(vector["encrypt"], vector["signature"], vector["timestamp"], vector["nonce"])


def resealed(encrypt: str, opener: Envelope) -> Sealed:
    """A sealed message whose signature fits, whatever is inside."""
    return Sealed(encrypt, opener.sign(encrypt, "1", "2"), "1", "2")


def encrypted(plain: bytes) -> str:
    """Base64 of AES-CBC without any padding, with the key of set A."""
    key = base64.b64decode(A["aes_key"] + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def rejection(opener: Envelope, message: Sealed) -> Reason:
    with pytest.raises(WecomRejected) as caught:
        opener.open(message)
    return caught.value.reason


def test_every_vector_is_there() -> None:
    assert [by_id(vector) for vector in VECTORS] == [
        *("V1", "V2", "V3", "V4", "V5", "V5b", "V6", "V7", "V8", "V9", "V10"),
        *("S1", "S2", "S3", "S4", "S5", "S6"),
    ]


@pytest.mark.parametrize("vector", SIGNED, ids=by_id)
def test_opens_every_signed_vector(vector: dict[str, Any]) -> None:
    assert envelope(vector).open(sealed(vector)).decode() == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS, ids=by_id)
def test_encrypts_to_the_published_text(vector: dict[str, Any]) -> None:
    made = envelope(vector).seal(
        vector["plaintext"].encode(),
        vector.get("timestamp", "1"),
        vector.get("nonce", "2"),
        vector["random16"].encode(),
    )
    assert made.encrypt == vector["encrypt"]
    assert (made.signature == vector.get("signature")) is vector.get("signature_ok", False)


def test_v5b_fails_on_its_signature_although_it_decrypts() -> None:
    vector = one("V5b")
    opener = envelope(vector)
    assert rejection(opener, sealed(vector)) is Reason.SIGNATURE
    assert opener.sign(vector["encrypt"], vector["timestamp"], vector["nonce"]).startswith("42fb1a3b9554")
    assert opener.open(resealed(vector["encrypt"], opener)).decode() == vector["plaintext"]


def test_wechatpy_opens_v10_alike() -> None:
    vector = one("V10")
    keys = FIXTURE["sets"]["C"]
    theirs = WeChatCrypto(keys["token"], keys["aes_key"], vector["receiveid"])
    xml = theirs.decrypt_message(
        {"Encrypt": vector["encrypt"]}, vector["signature"], vector["timestamp"], vector["nonce"]
    )
    assert xml == vector["plaintext"]


@pytest.mark.parametrize("nibble", range(0, 40, 7))
def test_a_changed_signature_is_refused(nibble: int) -> None:
    vector = one("V2")
    right = vector["signature"]
    wrong = right[:nibble] + ("0" if right[nibble] != "0" else "1") + right[nibble + 1 :]
    message = Sealed(vector["encrypt"], wrong, vector["timestamp"], vector["nonce"])
    assert rejection(envelope(vector), message) is Reason.SIGNATURE


@pytest.mark.parametrize("wrong", ["", "是", "\ud800", "477715D11CDB4164915DEBCBA66CB864D751F3E6", "4777"])
def test_odd_signatures_are_refused_without_an_accident(wrong: str) -> None:
    vector = one("V2")
    message = Sealed(vector["encrypt"], wrong, vector["timestamp"], vector["nonce"])
    assert rejection(envelope(vector), message) is Reason.SIGNATURE


@pytest.mark.parametrize("position", [0, 17, 40, 100, -1])
def test_a_flipped_bit_of_the_ciphertext_breaks_the_signature(position: int) -> None:
    vector = one("V2")
    raw = bytearray(base64.b64decode(vector["encrypt"]))
    raw[position] ^= 1
    message = Sealed(base64.b64encode(raw).decode(), vector["signature"], vector["timestamp"], vector["nonce"])
    assert rejection(envelope(vector), message) is Reason.SIGNATURE


@pytest.mark.parametrize("field", ["timestamp", "nonce"])
def test_timestamp_and_nonce_are_signed(field: str) -> None:
    vector = {**one("V2"), field: "1409659999"}
    assert rejection(envelope(vector), sealed(vector)) is Reason.SIGNATURE


@pytest.mark.parametrize("other", ["", "wx5823bf96d3bd56c8", "wx5823bf96d3bd56c", "WX5823BF96D3BD56C7"])
def test_another_receiveid_is_refused(other: str) -> None:
    vector = one("V2")
    assert rejection(envelope(vector, other), sealed(vector)) is Reason.RECEIVE_ID


def test_an_empty_receiveid_is_compared_too() -> None:
    vector = one("S2")
    assert rejection(envelope(vector, "ww1"), sealed(vector)) is Reason.RECEIVE_ID


HEAD = b"r" * 16 + b"\0\0\0\1x"


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        pytest.param(HEAD + b"\0" * 11, Reason.PADDING, id="pad of 0"),
        pytest.param(HEAD + b"\x21" * 43, Reason.PADDING, id="pad of 33"),
        pytest.param(HEAD + b"ww1" + b"\x07" + b"\x08" * 7, Reason.PADDING, id="pad bytes differ"),
        pytest.param(b"r" * 16 + b"\0\0\xff\xff" + b"\x0c" * 12, Reason.PADDING, id="length past the end"),
        pytest.param(b"\x20" * 32, Reason.PADDING, id="nothing but padding"),
        pytest.param(b"r" * 14 + b"\x12" * 18, Reason.PADDING, id="shorter than its head"),
        pytest.param(HEAD + b"ww2" + b"\x08" * 8, Reason.RECEIVE_ID, id="receiveid differs"),
        pytest.param(HEAD + b"\x0b" * 11, Reason.RECEIVE_ID, id="receiveid missing"),
    ],
)
def test_a_signed_message_with_a_bad_inside_is_refused(plain: bytes, reason: Reason) -> None:
    opener = Envelope(A["token"], A["aes_key"], "ww1")
    assert rejection(opener, resealed(encrypted(plain), opener)) is reason


@pytest.mark.parametrize("encrypt", ["", "====", "not base64!", "QUJD", "是" * 20, "A" * 43, "A" * 88 + "\n"])
def test_what_is_no_ciphertext_is_refused(encrypt: str) -> None:
    opener = Envelope(A["token"], A["aes_key"], "ww1")
    assert rejection(opener, resealed(encrypt, opener)) is Reason.PADDING


@pytest.mark.parametrize("receive_id", ["ww1436e0e65a779aee", ""])
@pytest.mark.parametrize("char", ["x", "券"])
def test_round_trip_of_every_padding(receive_id: str, char: str) -> None:
    opener = Envelope(A["token"], A["aes_key"], receive_id)
    for length in range(71):
        message = (char * length).encode()
        assert opener.open(opener.seal(message, "1", "2")) == message


def test_what_we_seal_wechatpy_opens() -> None:
    made = Envelope(A["token"], A["aes_key"], "ww1").seal("你好".encode(), "1700000000", "n")
    theirs = WeChatCrypto(A["token"], A["aes_key"], "ww1")
    assert theirs.decrypt_message({"Encrypt": made.encrypt}, made.signature, made.timestamp, made.nonce) == "你好"


def test_two_seals_of_one_message_differ() -> None:
    opener = Envelope(A["token"], A["aes_key"], "ww1")
    assert opener.seal(b"x", "1", "2").encrypt != opener.seal(b"x", "1", "2").encrypt


@pytest.mark.parametrize("age", [0, 300, -300])
def test_a_fresh_timestamp_passes(age: int) -> None:
    require_fresh("1700000000", 1_700_000_000 + age, 300)


@pytest.mark.parametrize("age", [301, -301, 365 * 86400])
def test_a_stale_or_future_timestamp_is_refused(age: int) -> None:
    with pytest.raises(WecomRejected) as caught:
        require_fresh("1700000000", 1_700_000_000 + age, 300)
    assert (caught.value.reason, caught.value.status) == (Reason.STALE, 403)


@pytest.mark.parametrize("timestamp", ["", "1e9", "-5", "１７００００００００", "1" * 400, " 1700000000"])
def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    with pytest.raises(WecomRejected) as caught:
        require_fresh(timestamp, 1_700_000_000, 300)
    assert (caught.value.reason, caught.value.status) == (Reason.UNPARSABLE, 400)


@pytest.mark.parametrize("key", ["", "short", "a" * 44, "a" * 42 + "+", "是" * 43])
def test_a_wrong_aes_key_is_named_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        Envelope("token", key, "ww1")


def test_a_sealed_message_does_not_show_itself() -> None:
    assert "secret" not in repr(Sealed("secret", "secret", "1", "2"))
