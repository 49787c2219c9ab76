"""Forgiving reads of DingTalk's JSON: what is missing or of another type is empty, never an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


class Undecodable(ValueError):
    """Something that can never be answered; the message names the missing field."""


def required_object(value: Any, name: str) -> Raw:
    """Return the object, or raise `Undecodable`."""
    if not isinstance(value, Mapping):
        raise Undecodable(name)
    return value


def maybe_object(value: Any) -> Raw:
    """Return an object given as itself or as a JSON string, else an empty one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def maybe_list(value: Any) -> list[Any]:
    """Return a list, else an empty one."""
    return value if isinstance(value, list) else []


def required_text(raw: Raw, name: str) -> str:
    """Return a text that must be there, or raise `Undecodable`."""
    value = text_of(raw, name)
    if not value:
        raise Undecodable(name)
    return value


def text_of(raw: Raw, name: str) -> str:
    """Return a text or a whole number as text, without the space around it."""
    value = raw.get(name)
    return clean(str(value)).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def clean(text: str) -> str:
    """Drop what a database refuses: a lone surrogate (half an emoji) and NUL."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
