"""The JSON envelope of an aibot: an encrypted callback opened, an answer sealed (WeCom doc 101033).

The receiveid of a company's own bot is empty. Nothing is parsed before the signature holds, save the one field that
is signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.json_text import to_json
from bot.platforms.wecom import verify
from bot.platforms.wecom.crypto import Envelope, Reason, Sealed, WecomRejected, require_fresh

# The page says msg_signature; others have been seen.
SIGNATURE_NAMES = ("msg_signature", "msgsignature", "signature")
FIELD_NAMES = ("encrypt", "Encrypt")


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine message, with what its answer has to repeat."""

    message: bytes
    timestamp: int
    nonce: str


def open_callback(
    envelope: Envelope, query: Mapping[str, str], body: bytes, now: float, freshness_seconds: int
) -> Opened:
    """Return the decrypted JSON of a POST; `WecomRejected` names what is wrong with it."""
    if len(body) > verify.MAX_BODY_BYTES:
        raise WecomRejected(Reason.TOO_LARGE)
    signed = _signed(query)
    require_fresh(signed["timestamp"], now, freshness_seconds)
    sealed = Sealed(_encrypted(body), signed["msg_signature"], signed["timestamp"], signed["nonce"])
    return Opened(envelope.open(sealed), int(signed["timestamp"]), signed["nonce"])


def verify_url(envelope: Envelope, query: Mapping[str, str], now: float, freshness_seconds: int) -> str:
    """Return what the URL check wants to read; `WecomRejected` otherwise."""
    return verify.verify_url(envelope, {**query, **_signed(query)}, now, freshness_seconds)


def seal_answer(envelope: Envelope, frame: Mapping[str, Any], opened: Opened) -> str:
    """Return the body of an answer, encrypted, with the time and the nonce of the request."""
    sealed = envelope.seal(to_json(frame).encode(), str(opened.timestamp), opened.nonce)
    body = {"encrypt": sealed.encrypt, "msgsignature": sealed.signature}
    return to_json({**body, "timestamp": opened.timestamp, "nonce": opened.nonce})


def _signed(query: Mapping[str, str]) -> dict[str, str]:
    signature = next((query[name] for name in SIGNATURE_NAMES if query.get(name)), "")
    found = {"msg_signature": signature, "timestamp": query.get("timestamp", ""), "nonce": query.get("nonce", "")}
    for name, value in found.items():
        if not value:
            raise WecomRejected(Reason.MISSING, name)
    return found


def _encrypted(body: bytes) -> str:
    try:
        outer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WecomRejected(Reason.UNPARSABLE, "envelope") from error
    values = [outer.get(name) for name in FIELD_NAMES] if isinstance(outer, dict) else []
    encrypt = next((value for value in values if isinstance(value, str) and value), "")
    if not encrypt:
        raise WecomRejected(Reason.MISSING, "encrypt")
    return encrypt
