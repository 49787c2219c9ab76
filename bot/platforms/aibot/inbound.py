"""What an aibot's JSON can be, and JSON that can be read at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from handlers.messages import Update


class Undecodable(Exception):
    """Not a message of an aibot; the text names a field, never its value."""


@dataclass(frozen=True, slots=True)
class Poll:
    """WeCom asks for more of a stream; `id` names this asking."""

    stream: str
    id: str


@dataclass(frozen=True, slots=True)
class Kicked:
    """Another connection took over; the socket is about to close."""


Inbound = Update | Poll | Kicked | None


def parse(raw: bytes | str) -> dict[str, Any]:
    """Return the JSON object; `Undecodable` for anything else, and for text no database would take."""
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Undecodable("json") from error
    if not isinstance(body, dict):
        raise Undecodable("json")
    return body
