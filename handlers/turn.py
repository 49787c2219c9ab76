"""One turn of a conversation: everything a handler may know about who asks, when, and what came before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.messages import Attachment

STEPS = ("route", "gen_sql", "run_sql", "retrieve_kb", "compose", "execute")
CHAIN_WIDE = frozenset({"hq", "admin"})
MAY_LAUNCH = frozenset({"manager", "regional", "hq", "admin"})


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff. `store_ids` is the scope: the stores this person may see, all of them for hq and admin."""

    staff_id: int
    tenant_id: int
    name: str
    role: str
    store_ids: tuple[int, ...]

    @property
    def chain_wide(self) -> bool:
        """Whether this person sees the whole chain."""
        return self.role in CHAIN_WIDE


@dataclass(frozen=True, slots=True)
class PressedCard:
    """The card a button belongs to, as stored, what the button means, and what was chosen on the card."""

    card_id: int
    public_id: str
    kind_of_card: str
    state: str
    content: Mapping[str, Any]
    action: str
    value: Mapping[str, Any]
    selected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Trace:
    """What happened while answering: the route, the SQL, the guard's verdict and milliseconds by step."""

    route: dict[str, Any] = field(default_factory=dict)
    sql: list[str] = field(default_factory=list)
    guard: dict[str, Any] | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    tokens: dict[str, int] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time the block takes to one of `STEPS`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent, 2)

    def as_debug(self) -> dict[str, Any]:
        """Return the `debug` object of `daogou ask --json`."""
        return {
            "route": self.route,
            "sql": self.sql,
            "guard": self.guard,
            "timings_ms": {name: self.timings_ms.get(name, 0.0) for name in STEPS},
            "model": self.model,
            "tokens": self.tokens,
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """One question or press, with the person behind it.

    `now` is aware and in the zone of the person's store; its date is "today" everywhere, also for seeded data
    whose today is pinned. `context` is what earlier replies of this conversation asked to remember.
    """

    person: Person
    text: str
    now: datetime
    group: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)
    pressed: PressedCard | None = None
    attachments: tuple[Attachment, ...] = ()
    trace: Trace = field(default_factory=Trace)
