"""Neutral values: what came in and what goes out, before any platform has a say.

    wire → Update → handler → Reply → payload → wire

This file is a leaf: it imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

UpdateKind = Literal["text", "press", "enter", "other"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes: a person or a group on one platform.

    `hints` carries what only that platform understands (a session webhook and its expiry, an agent id);
    nothing outside the platform's own package reads it.
    """

    platform: str
    conversation: str
    user_id: str
    group: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Press:
    """A button of one of our cards was pressed; `card` is the card's public id, `button` the button's key."""

    card: str
    button: str


@dataclass(frozen=True, slots=True)
class Update:
    """Anything inbound. `dedupe_key` is what the platform says identifies a delivery, whatever its transport."""

    tenant: str
    dedupe_key: str
    kind: UpdateKind
    address: Address
    received_at: datetime
    text: str = ""
    press: Press | None = None
    note: str = ""  # for kind "other": what it was, for the log


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, or Markdown where the platform draws it."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of already formatted cells under Chinese headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over labels: a line for time, bars for a ranking."""

    title: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]
    shape: Literal["line", "bar"] = "line"
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press. `action` names the handler, `value` its argument; both stay on our side.

    `key` is what travels. It must be unique on the card and must not end in a digit: DingTalk appends the
    index of a button in an array to its id.
    """

    key: str
    text: str
    action: str
    value: Mapping[str, Any] = field(default_factory=dict)
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """What a card means, never how one platform draws it.

    `fields` are short name/value pairs, `text` the body (Markdown subset: bold, lists, links), `footer` one
    small line. A card without buttons is a finished one; `state` says what became of it.
    """

    kind_of_card: str
    title: str
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    buttons: tuple[Button, ...] = ()
    footer: str = ""
    state: str = ""
    kind: Literal["card"] = "card"


@dataclass(frozen=True, slots=True)
class StreamedText:
    """Text that is still being written; `settle` turns it into `Text` for platforms that cannot stream."""

    chunks: AsyncIterator[str]
    kind: Literal["stream"] = "stream"


Part = Text | Table | Chart | Card
AnyPart = Part | StreamedText


@dataclass(frozen=True, slots=True)
class Outcome:
    """The machine-readable side of an answer, as `daogou ask --json` prints it; absent parts are None."""

    report: Mapping[str, Any] | None = None
    semantic: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    execution: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler gives back.

    `parts` are sent in order. `card` replaces the card whose button was pressed. `remember` is merged into the
    conversation's context for the next turn (a None value forgets the key).
    """

    intent: str
    parts: tuple[AnyPart, ...] = ()
    card: Card | None = None
    outcome: Outcome = Outcome()
    remember: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def say(cls, intent: str, text: str) -> Reply:
        """Return a reply of one text."""
        return cls(intent, (Text(text),))


async def settle(part: AnyPart) -> Part:
    """Return the part itself, or the whole text of a stream once it has ended."""
    if isinstance(part, StreamedText):
        return Text("".join([chunk async for chunk in part.chunks]))
    return part
