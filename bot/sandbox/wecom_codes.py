"""Response codes of the pretend WeCom: each changes one card once, within 72 hours (WeCom doc 94888)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

VALID_SECONDS = 72 * 3600


class CodeUnknown(Exception):
    """Not a code of this cloud, or too old."""


class CodeUsed(Exception):
    """Spent before."""


class ResponseCodes:
    """Issues and spends codes. They are signed, so one that was not used outlives a restart of the sandbox."""

    def __init__(self, secret: str, clock: Callable[[], float]) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._used: set[str] = set()

    def issue(self, message_id: str) -> str:
        """Return a fresh code for a message."""
        head = f"{message_id}.{int(self._clock())}.{secrets.token_hex(8)}"
        return f"{head}.{self._mac(head)}"

    def look(self, code: str) -> str:
        """Return the message a code may still change."""
        head, _, mac = code.rpartition(".")
        if not head or not hmac.compare_digest(mac.encode(), self._mac(head).encode()):
            raise CodeUnknown
        message_id, issued, _ = head.split(".")
        if self._clock() - int(issued) > VALID_SECONDS:
            raise CodeUnknown
        if code in self._used:
            raise CodeUsed
        return message_id

    def spend(self, code: str) -> None:
        """Use a code up."""
        self._used.add(code)

    def _mac(self, head: str) -> str:
        return hmac.new(self._secret, head.encode(), hashlib.sha256).hexdigest()[:32]
