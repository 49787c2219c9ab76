"""What a platform gets of ours, over a test's database: the small chain's tenant, a clock that moves when told."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.platforms.services import Services
from bot.seal import Sealer
from bot.usage import UsageCounter
from db.engine import Database
from tests.rows import NOW


class Clock:
    """A time of day that moves when told."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def later(self, **length: float) -> None:
        self.now += timedelta(**length)


def services_of(database: Database, clock: Clock | None = None, owner: str = "here") -> Services:
    """The services of tenant 1, `demo`."""
    clock = clock or Clock()
    return Services(
        tenant_id=1,
        database=database,
        sealer=Sealer("same everywhere"),
        usage=UsageCounter(database, clock),
        owner=owner,
        clock=clock,
        steady=clock,
        tenant="demo",
    )
