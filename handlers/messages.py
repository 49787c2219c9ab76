"""Neutral values: what came in and what goes out, before any platform has a say.

    wire → Update → handler → Reply → payload → wire

This file is a leaf: it imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

UpdateKind = Literal["text", "press", "enter", "media", "feedback", "other"]
AttachmentKind = Literal["image", "voice", "video", "file", "location", "link"]
Verdict = Literal["good", "bad", "withdrawn"]

# Notes of updates (kind "other") that are kept and answered with nothing: one that came too late, and one that came
# without its contents because the organisation's quota at the platform is spent.
STALE = "stale"
OVER_QUOTA = "over_quota"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes: a person or a group on one platform.

    `platform` is the channel that carries it. Channels of one company share their people: `directory` says whose
    user ids these are, "" when the channel has its own. `hints` carries what only that platform understands (a
    session webhook and its expiry, an agent id); nothing outside the platform's own package reads it.
    """

    platform: str
    conversation: str
    user_id: str
    group: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)
    directory: str = ""

    @property
    def people(self) -> str:
        """Whose user id `user_id` is."""
        return self.directory or self.platform


@dataclass(frozen=True, slots=True)
class Press:
    """A button of one of our cards was pressed; `card` is the card's public id, `button` the button's key.

    `selected` are the option keys chosen on the card, by the key of the choice.
    """

    card: str
    button: str
    selected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something sent that is no text; `reference` is what the platform calls it, never a credential of ours."""

    kind: AttachmentKind
    title: str = ""
    reference: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class GivenFeedback:
    """A thumb on one of our answers; `about` is the id we gave that answer."""

    about: str
    verdict: Verdict
    reason: str = ""


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
    attachments: tuple[Attachment, ...] = ()
    quote: str = ""  # the text of the message this one quotes
    feedback: GivenFeedback | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, or Markdown where the platform draws it; `streamed` when it was shown while it was written."""

    text: str
    streamed: bool = False
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
class Picture:
    """A PNG or JPEG; `data` is base64, `alt` what is said where no picture can be shown."""

    name: str
    data: str
    alt: str = ""
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True, slots=True)
class File:
    """A file to download; `data` is base64."""

    name: str
    data: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class Article:
    """A page to open."""

    title: str
    url: str
    description: str = ""
    picture_url: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """One to eight pages to open."""

    articles: tuple[Article, ...]
    kind: Literal["news"] = "news"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be chosen."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A question on a card with its options; `many` lets more than one be chosen."""

    key: str
    title: str
    options: tuple[Option, ...]
    many: bool = False
    chosen: tuple[str, ...] = ()


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
    small line. A card without buttons is a finished one; `state` says what became of it. `link` is a page that
    opens when the card is touched, `picture_url` a public picture on it. The first button of a card with `choices`
    submits what was chosen.
    """

    kind_of_card: str
    title: str
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    buttons: tuple[Button, ...] = ()
    footer: str = ""
    state: str = ""
    link: str = ""
    picture_url: str = ""
    choices: tuple[Choice, ...] = ()
    kind: Literal["card"] = "card"


@dataclass(frozen=True, slots=True)
class StreamedText:
    """Text that is still being written; `settle` turns it into `Text` for platforms that cannot stream."""

    chunks: AsyncIterator[str]
    kind: Literal["stream"] = "stream"


Part = Text | Table | Chart | Card | Picture | File | News
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
    conversation's context for the next turn (a None value forgets the key). `private` marks an answer about a
    member, or about one person's own work: asked for in a group, it goes to the asker alone.
    """

    intent: str
    parts: tuple[AnyPart, ...] = ()
    card: Card | None = None
    outcome: Outcome = Outcome()
    remember: Mapping[str, Any] = field(default_factory=dict)
    private: bool = False

    @classmethod
    def say(cls, intent: str, text: str) -> Reply:
        """Return a reply of one text."""
        return cls(intent, (Text(text),))


async def settle(part: AnyPart) -> Part:
    """Return the part itself, or the whole text of a stream once it has ended."""
    if isinstance(part, StreamedText):
        return Text("".join([chunk async for chunk in part.chunks]))
    return part
