"""The way of an update through one process of the tenant `acme`: received, dispatched, delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.platforms.base import Platform
from bot.reached import Reached
from bot.web.gate import Gate
from db.engine import Database
from handlers.router import Router
from tests.pipeline import Pipeline

Channels = Mapping[tuple[int, str], Platform]


@contextmanager
def way_of(
    database: Database, channels: Channels, router: Router, clock: Callable[[], datetime], owner: str
) -> Iterator[Pipeline]:
    """Yield the way, worked by hand."""
    with TemporaryDirectory() as folder:
        yield Pipeline(database, channels, router, Path(folder), owner, tenant="acme", clock=clock)


def gate_of(way: Pipeline, clock: Callable[[], datetime]) -> Gate:
    """Return the gate of its callback routes."""
    return Gate(way.metrics, Reached(way.database, clock), {"acme": 1}, clock)
