"""What travelled, fit to be shown: readable, with everything that would let somebody act struck out."""

from __future__ import annotations

import json
import re
from typing import Any

KEPT = 6
SECRETS = frozenset(
    {
        "accesstoken",
        "access_token",
        "clientsecret",
        "corpsecret",
        "response_code",
        "responsecode",
        "secret",
        "sessionwebhook",
        "ticket",
        "token",
    }
)
XML_SECRET = re.compile(r"(<ResponseCode><!\[CDATA\[)([^\]]*)(\]\]>)")
MASK = "…（已遮盖）"


def mask(value: Any) -> Any:
    """Return the value with credentials cut to their first characters; JSON inside a string is opened."""
    if isinstance(value, dict):
        return {name: _mask_named(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    if isinstance(value, str):
        return _mask_text(value)
    return value


def _mask_named(name: str, value: Any) -> Any:
    if name.casefold() in SECRETS and isinstance(value, str) and value:
        return value[:KEPT] + MASK
    return mask(value)


def _mask_text(text: str) -> Any:
    if text[:1] in {"{", "["}:
        try:
            return mask(json.loads(text))
        except ValueError:
            return text
    return XML_SECRET.sub(lambda found: found[1] + found[2][:KEPT] + MASK + found[3], text)
