"""A callback as it came: raw query and raw body in, authenticated bytes out. Nothing is trusted before.

The outer XML must be opened to reach the signed part; its other tags (ToUserName, AgentID) are not signed and
are never read (WeCom doc 90968).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.platforms.wecom.crypto import Envelope, Reason, Sealed, WecomRejected, require_fresh
from bot.platforms.wecom.xml_reader import child_text, read_xml

MAX_BODY_BYTES = 64 * 1024


def verify(envelope: Envelope, query: Mapping[str, str], body: bytes, now: float, freshness_seconds: int) -> bytes:
    """Return the decrypted XML of a POST; `WecomRejected` names what is wrong with it."""
    if len(body) > MAX_BODY_BYTES:
        raise WecomRejected(Reason.TOO_LARGE)
    _require(query, "msg_signature", "timestamp", "nonce")
    require_fresh(query["timestamp"], now, freshness_seconds)
    return envelope.open(_sealed(query, _encrypted_part(body)))


def verify_url(envelope: Envelope, query: Mapping[str, str], now: float, freshness_seconds: int) -> str:
    """Return what the URL check of the admin page wants to read: exactly the decrypted echostr (doc 90930).

    `query` is decoded once. A second decoding would turn the `+` of the base64 into a space.
    """
    _require(query, "msg_signature", "timestamp", "nonce", "echostr")
    if len(query["echostr"]) > MAX_BODY_BYTES:
        raise WecomRejected(Reason.TOO_LARGE)
    require_fresh(query["timestamp"], now, freshness_seconds)
    try:
        return envelope.open(_sealed(query, query["echostr"])).decode()
    except UnicodeDecodeError as error:
        raise WecomRejected(Reason.UNPARSABLE, "echostr") from error


def _require(query: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not query.get(name):
            raise WecomRejected(Reason.MISSING, name)


def _sealed(query: Mapping[str, str], encrypt: str) -> Sealed:
    return Sealed(encrypt, query["msg_signature"], query["timestamp"], query["nonce"])


def _encrypted_part(body: bytes) -> str:
    encrypt = child_text(read_xml(body, "envelope"), "Encrypt")
    if not encrypt:
        raise WecomRejected(Reason.MISSING, "Encrypt")
    return encrypt
