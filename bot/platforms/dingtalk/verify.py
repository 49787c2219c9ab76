"""Whether a request to our address was signed by DingTalk; nothing is parsed before it holds.

    messages   sign = base64(HMAC-SHA256(app secret, "<timestamp>\\n<app secret>"))
    presses    x-ddpaas-signature = base64(HMAC-SHA256(secret of the card callback, "<timestamp>"))

The body is not signed: headers that were caught are good for the whole hour, so the dedupe key matters, and HTTPS.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

WINDOW_SECONDS = 3600.0
TIMESTAMP = re.compile(r"[0-9]{10,16}")
CARD_LABEL = b"daogou card callback"


class DingtalkRejected(Exception):
    """A request that is not DingTalk's, or is too old; the reason is for our log, never for the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def verify_message(headers: Mapping[str, str], secret: str, now: float) -> None:
    """Return if the request carries a robot message of the last hour; raise `DingtalkRejected` otherwise."""
    timestamp = headers.get("timestamp", "")
    _check(timestamp, headers.get("sign", ""), sign_message(timestamp, secret), now)


def verify_press(headers: Mapping[str, str], secret: str, now: float) -> str:
    """Return the signed timestamp of a card press of the last hour; raise `DingtalkRejected` otherwise."""
    timestamp = headers.get("x-ddpaas-signature-timestamp", "")
    _check(timestamp, headers.get("x-ddpaas-signature", ""), sign_press(timestamp, secret), now)
    return timestamp


def sign_message(timestamp: str, secret: str) -> str:
    """Return the signature of a robot message, which is also that of a call to a custom group robot."""
    return _sign(secret.encode(), f"{timestamp}\n{secret}")


def sign_press(timestamp: str, secret: str) -> str:
    """Return the signature of a card press."""
    return _sign(secret.encode(), timestamp)


def card_secret(client_secret: str) -> str:
    """Return the secret our card callback is registered with; the same on every replica, and not the app's own."""
    return hmac.new(client_secret.encode(), CARD_LABEL, hashlib.sha256).hexdigest()


def _sign(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).digest()).decode()


def _check(timestamp: str, given: str, expected: str, now: float) -> None:
    if not TIMESTAMP.fullmatch(timestamp):
        raise DingtalkRejected("no timestamp")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise DingtalkRejected("wrong signature")
    if abs(now - int(timestamp) / 1000) > WINDOW_SECONDS:
        raise DingtalkRejected("too old")
