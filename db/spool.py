"""Where updates wait while the database is gone: a small SQLite file of this machine, synced before it is believed.

What lies here was acknowledged to a platform, so it is brought into the database as soon as that answers again; the
unique key there takes out what had got in after all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from db.inbox import NewUpdate

SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (id INTEGER PRIMARY KEY AUTOINCREMENT, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS set_aside (id INTEGER PRIMARY KEY, row TEXT NOT NULL, reason TEXT NOT NULL);
"""
BUSY_SECONDS = 1.0


class SpoolFull(Exception):
    """As many updates wait as may; the platform has to keep the next one itself."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A waiting update and its number."""

    id: int
    update: NewUpdate


class Spool:
    """The file. Every call is one short transaction; callers run them in a thread, one after another.

    Two processes that were given one folder share the file, and each brings in what the other left. So `waiting` is
    what this one believes, put right whenever it looks.
    """

    def __init__(self, path: Path, max_rows: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._max_rows = max_rows
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)
            self.waiting: int = connection.execute("SELECT COUNT(*) FROM spool").fetchone()[0]

    def add(self, updates: Sequence[NewUpdate]) -> None:
        """Keep these updates, in order; `SpoolFull` or an error of sqlite3 when they cannot be kept."""
        if self.waiting + len(updates) > self._max_rows:
            raise SpoolFull(f"{self.waiting} updates wait")
        with closing(self._connect()) as connection, connection:
            connection.executemany("INSERT INTO spool (row) VALUES (?)", [(_dump(one),) for one in updates])
        self.waiting += len(updates)

    def first(self, count: int) -> list[Spooled]:
        """Return the oldest updates that wait."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT id, row FROM spool ORDER BY id LIMIT ?", (count,)).fetchall()
        if len(rows) < count:
            self.waiting = len(rows)
        return [Spooled(number, _load(text)) for number, text in rows]

    def drop(self, spooled: Sequence[Spooled]) -> None:
        """Forget updates that have arrived in the database."""
        with closing(self._connect()) as connection, connection:
            dropped = connection.executemany("DELETE FROM spool WHERE id = ?", [(one.id,) for one in spooled])
        self.waiting = max(0, self.waiting - dropped.rowcount)

    def set_aside(self, spooled: Spooled, reason: str) -> None:
        """Take an update that the database will never have out of the queue, and keep it with the reason."""
        row = (spooled.id, _dump(spooled.update), reason)
        with closing(self._connect()) as connection, connection:
            connection.execute("INSERT OR REPLACE INTO set_aside (id, row, reason) VALUES (?, ?, ?)", row)
            connection.execute("DELETE FROM spool WHERE id = ?", (spooled.id,))
        self.waiting = max(0, self.waiting - 1)

    def aside(self) -> int:
        """Return how many updates were set aside."""
        with closing(self._connect()) as connection:
            count: int = connection.execute("SELECT COUNT(*) FROM set_aside").fetchone()[0]
        return count

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
        connection.execute("PRAGMA synchronous=FULL")
        return connection


def _dump(update: NewUpdate) -> str:
    return json.dumps({**asdict(update), "received_at": update.received_at.isoformat()}, ensure_ascii=False)


def _load(text: str) -> NewUpdate:
    raw = json.loads(text)
    return NewUpdate(**{**raw, "received_at": datetime.fromisoformat(raw["received_at"])})
