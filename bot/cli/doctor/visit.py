"""What every check of one visit works with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bot.cli.doctor.facts import Facts
from bot.cli.doctor.web import Web
from bot.config import Settings
from db.usage import UsageKey


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit, to one `tenant` or to all of them.

    With `free` nothing is called that a platform meters; `spent` counts what was.
    """

    settings: Settings
    clock: Callable[[], datetime]
    web: Web
    facts: asyncio.Future[Facts | None]
    public_url: str
    tenant: str | None = None
    free: bool = False
    spent: Counter[UsageKey] = field(default_factory=Counter)
