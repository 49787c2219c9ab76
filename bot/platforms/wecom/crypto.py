"""The envelope of WeCom callbacks: signature, AES and receiveid (WeCom doc 90968).

    plaintext  = 16 random bytes ‖ length of the message in bytes, uint32 big-endian ‖ message ‖ receiveid
    encrypt    = base64(AES-256-CBC(plaintext padded to 32 bytes), iv = first 16 bytes of the key)
    signature  = sha1 over token, timestamp, nonce and encrypt, sorted as bytes and joined

wechatpy brings the cipher and the padding. Its own decrypt compares signatures with `!=`, trusts the pad byte
and knows no age limit, so those checks stand here. The order is: age, signature, decryption, receiveid.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

RANDOM_BYTES = 16
LENGTH_BYTES = 4
BLOCK_BYTES = 32
AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
SECONDS = re.compile(r"[0-9]{1,12}")


class Reason(StrEnum):
    """Why a callback was turned away, as the log names it."""

    MISSING = "missing_parameter"
    TOO_LARGE = "too_large"
    STALE = "stale"
    SIGNATURE = "signature"
    PADDING = "padding_or_length"
    RECEIVE_ID = "receive_id"
    UNPARSABLE = "unparsable"


# What the HTTP answer is. WeCom shows the same sentence for every failure, so only our log tells them apart.
STATUS = {
    Reason.TOO_LARGE: 413,
    Reason.STALE: 403,
    Reason.SIGNATURE: 403,
    Reason.RECEIVE_ID: 403,
}


class WecomRejected(Exception):
    """A callback that cannot be trusted or read; `detail` names a parameter, never its value."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    @property
    def status(self) -> int:
        """The HTTP status that answers it."""
        return STATUS.get(self.reason, 400)


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """An encrypted message and what proves its origin. Without a repr: it may be an echostr."""

    encrypt: str
    signature: str
    timestamp: str
    nonce: str


class Envelope:
    """Opens and seals the messages of one app. `receive_id` is the corp id, or "" for an internal aibot."""

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        if not AES_KEY.fullmatch(aes_key):
            raise ValueError("EncodingAESKey must be 43 characters of a-z, A-Z, 0-9")
        # Imported here: the package pulls in requests, which a process without WeCom need not load.
        from wechatpy.crypto.base import WeChatCipher  # noqa: PLC0415
        from wechatpy.crypto.pkcs7 import PKCS7Encoder  # noqa: PLC0415

        # 43 characters carry 258 bits; the stray bits of the last one are ignored, as WeCom does.
        self._cipher = WeChatCipher(base64.b64decode(aes_key + "="))
        self._pad = PKCS7Encoder.encode
        self._token = token
        self._receive_id = receive_id.encode()

    def open(self, sealed: Sealed) -> bytes:
        """Return the message; `WecomRejected` unless signature, padding, length and receiveid are all right."""
        expected = self.sign(sealed.encrypt, sealed.timestamp, sealed.nonce)
        if not hmac.compare_digest(expected.encode(), _bytes(sealed.signature)):
            raise WecomRejected(Reason.SIGNATURE)
        message, receive_id = _split(self._decrypt(sealed.encrypt))
        if receive_id != self._receive_id:
            raise WecomRejected(Reason.RECEIVE_ID)
        return message

    def seal(self, message: bytes, timestamp: str, nonce: str, random16: bytes | None = None) -> Sealed:
        """Return the message encrypted and signed; `random16` is given only to reproduce a known result."""
        head = secrets.token_bytes(RANDOM_BYTES) if random16 is None else random16
        plain = head + len(message).to_bytes(LENGTH_BYTES, "big") + message + self._receive_id
        encrypt = base64.b64encode(self._cipher.encrypt(self._pad(plain))).decode()
        return Sealed(encrypt, self.sign(encrypt, timestamp, nonce), timestamp, nonce)

    def sign(self, encrypt: str, timestamp: str, nonce: str) -> str:
        """Return the signature of an encrypted text."""
        parts = sorted(map(_bytes, (self._token, timestamp, nonce, encrypt)))
        return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()

    def _decrypt(self, encrypt: str) -> bytes:
        try:
            cipher_text = base64.b64decode(_bytes(encrypt), validate=True)
        except binascii.Error as error:
            raise WecomRejected(Reason.PADDING, "base64") from error
        if not cipher_text or len(cipher_text) % BLOCK_BYTES:
            raise WecomRejected(Reason.PADDING, "block")
        return _unpad(self._cipher.decrypt(cipher_text))


def require_fresh(timestamp: str, now: float, freshness_seconds: int) -> None:
    """Refuse a request signed too long ago, or in the future: the signature itself never ages."""
    if not SECONDS.fullmatch(timestamp):
        raise WecomRejected(Reason.UNPARSABLE, "timestamp")
    if abs(now - int(timestamp)) > freshness_seconds:
        raise WecomRejected(Reason.STALE)


def _unpad(padded: bytes) -> bytes:
    pad = padded[-1]
    if not 1 <= pad <= BLOCK_BYTES or padded[-pad:] != bytes([pad]) * pad:
        raise WecomRejected(Reason.PADDING, "pad")
    return padded[:-pad]


def _split(plain: bytes) -> tuple[bytes, bytes]:
    start = RANDOM_BYTES + LENGTH_BYTES
    length = int.from_bytes(plain[RANDOM_BYTES:start], "big")
    if len(plain) < start + length:
        raise WecomRejected(Reason.PADDING, "length")
    return plain[start : start + length], plain[start + length :]


def _bytes(text: str) -> bytes:
    # A query may decode to anything, also to a lone surrogate; it then simply does not match.
    return text.encode(errors="backslashreplace")
