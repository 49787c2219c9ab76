"""The encrypted callbacks of the pretend WeCom, as the real one would post them (WeCom docs 90238–90240)."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from bot.config import WecomSettings
from bot.platforms.wecom.crypto import Envelope, Sealed

# Five seconds for an answer, three attempts in all (doc 90238).
ANSWER_SECONDS = 5.0
ATTEMPTS = 3

# A text, or named fields inside: a list of pairs, because names repeat.
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST: query and body as they travel, and the XML inside for whoever explains it."""

    query: dict[str, str]
    body: bytes
    xml: str


class Callbacks:
    """Writes, encrypts and signs callbacks with an app's token and key."""

    def __init__(self, app: WecomSettings, clock: Callable[[], float]) -> None:
        self._corp_id = app.corp_id
        self._agent_id = str(app.agent_id)
        self._envelope = Envelope(app.token.get_secret_value(), app.aes_key.get_secret_value(), app.corp_id)
        self._clock = clock
        # Starts anywhere, so that a restarted sandbox does not repeat the ids the inbox has seen.
        self._message_ids = itertools.count(secrets.randbits(60))

    def message(self, user_id: str, kind: str, fields: Fields) -> Callback:
        """Return a message of this MsgType with an id of its own."""
        return self.seal(user_id, kind, {**fields, "MsgId": str(next(self._message_ids))})

    def event(self, user_id: str, event: str, fields: Fields) -> Callback:
        """Return an event; events have no id."""
        return self.seal(user_id, "event", {"Event": event, **fields})

    def seal(self, user_id: str, kind: str, fields: Fields) -> Callback:
        """Return any XML message of this user, encrypted with a fresh nonce and timestamp."""
        common = {
            "ToUserName": self._corp_id,
            "FromUserName": user_id,
            "CreateTime": str(int(self._clock())),
            "MsgType": kind,
        }
        xml = _xml({**common, **fields, "AgentID": self._agent_id})
        sealed = self._seal(xml.encode())
        outer = {"ToUserName": self._corp_id, "AgentID": self._agent_id, "Encrypt": sealed.encrypt}
        return Callback(_query(sealed), _xml(outer).encode(), xml)

    def url_check(self) -> tuple[dict[str, str], str]:
        """Return the query of the GET that saves a callback address, and the body that must answer it."""
        digits = str(secrets.randbits(62))
        sealed = self._seal(digits.encode())
        return {**_query(sealed), "echostr": sealed.encrypt}, digits

    def _seal(self, message: bytes) -> Sealed:
        return self._envelope.seal(message, str(int(self._clock())), str(secrets.randbelow(10**10)))


async def deliver(http: httpx.AsyncClient, url: str, callback: Callback) -> bool:
    """Post a callback as WeCom does, again after a failure, three times at most; whether it was taken."""
    for _ in range(ATTEMPTS):
        try:
            answer = await http.post(
                url,
                params=callback.query,
                content=callback.body,
                headers={"Content-Type": "text/xml"},
                timeout=ANSWER_SECONDS,
            )
        except httpx.RequestError:
            continue
        if answer.status_code == httpx.codes.OK:
            return True
    return False


def _query(sealed: Sealed) -> dict[str, str]:
    return {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": sealed.nonce}


def _xml(fields: Fields) -> str:
    return f"<xml>{_elements(fields.items())}</xml>"


def _elements(pairs: Iterable[tuple[str, Any]]) -> str:
    return "".join(f"<{name}>{_cdata(v) if isinstance(v, str) else _elements(v)}</{name}>" for name, v in pairs)


def _cdata(value: str) -> str:
    legal = "".join(char for char in value if char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff"))
    return f"<![CDATA[{legal.replace(']]>', ']]]]><![CDATA[>')}]]>"
