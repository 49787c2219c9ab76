"""What every push is given and what it reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime

from db.engine import Database
from handlers.messages import Card
from jobs.due import PushKind
from knowledge.drafts import Drafts
from knowledge.weather import WeatherSource


@dataclass(frozen=True, slots=True)
class PushParts:
    """What a push works with."""

    database: Database
    weather: WeatherSource
    drafts: Drafts


@dataclass(frozen=True, slots=True)
class PushOrder:
    """One push of one store. `due` is the date it is for, `now` the real time at which its rows are written.

    With `dry_run` nothing is written and the result carries the cards as previews.
    """

    tenant_id: int
    store_id: int
    due: date
    now: datetime
    expire_at: datetime | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a clerk would get, or gets already."""

    staff_name: str
    platform: str
    card: Card
    already: bool


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push came to.

    `queued` are new messages, `already` those an earlier run has queued, `idle` clerks with nothing to be told;
    `unreachable` names clerks whose platform account nobody has bound: their tasks are there, the message is not.
    """

    store_id: int
    store_name: str
    kind: PushKind
    due: date
    new_tasks: int = 0
    queued: int = 0
    already: int = 0
    idle: int = 0
    unreachable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()


Push = Callable[[PushOrder, PushParts], Awaitable[PushResult]]
