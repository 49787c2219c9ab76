"""What every check of one visit works with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bot.cli.doctor.facts import Facts, TenantFacts
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

    async def tenant_facts(self, key: str) -> TenantFacts | None:
        """Return what the database knows of a tenant; ask for it last, it may be the slowest of all."""
        facts = await self.facts
        return facts.tenants.get(key) if facts else None
