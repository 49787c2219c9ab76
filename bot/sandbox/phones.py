"""The screens of the sandbox's phones and the files on them, kept in a small SQLite file of their own.

This is the pretend platforms' memory, not the bot's: it holds what a phone shows, in the payload form the
platform was given. It survives a restart as a real platform's would.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL, user_id TEXT NOT NULL, message_id TEXT NOT NULL,
    direction TEXT NOT NULL, payload TEXT NOT NULL, shown_at REAL NOT NULL, updated_at REAL NOT NULL,
    UNIQUE (platform, user_id, message_id)
)
"""
FILES = """
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, kept_at REAL NOT NULL
)
"""
SELECT = "SELECT seq, platform, user_id, message_id, direction, payload, shown_at, updated_at FROM shown"


@dataclass(frozen=True, slots=True)
class Shown:
    """One bubble on one phone; `payload` is the platform's own JSON."""

    seq: int
    platform: str
    user_id: str
    message_id: str
    direction: Literal["in", "out"]
    payload: dict[str, Any]
    shown_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, repr=False)
class KeptFile:
    """A picture or a file that was sent; `kept_at` by the clock of its platform."""

    id: str
    kind: str
    name: str
    data: bytes
    kept_at: float


class Phones:
    """What every pretend phone shows; listeners hear (platform, user_id) after each change."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute(SCHEMA)
        self._db.execute(FILES)
        self.listeners: list[Callable[[str, str], None]] = []

    def show(
        self,
        platform: str,
        user_id: str,
        message_id: str,
        payload: dict[str, Any],
        direction: Literal["in", "out"] = "in",
    ) -> None:
        """Add a bubble: `in` arrived from the bot, `out` was typed by the person; a known id is replaced."""
        now = time.time()
        self._db.execute(
            "INSERT INTO shown (platform, user_id, message_id, direction, payload, shown_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET payload = excluded.payload,"
            " updated_at = excluded.updated_at",
            (platform, user_id, message_id, direction, json.dumps(payload, ensure_ascii=False), now, now),
        )
        for listener in self.listeners:
            listener(platform, user_id)

    def screen(self, platform: str, user_id: str, limit: int = 50) -> list[Shown]:
        """Return the last bubbles of one phone, oldest first."""
        rows = self._db.execute(
            f"{SELECT} WHERE platform = ? AND user_id = ? ORDER BY seq DESC LIMIT ?",
            (platform, user_id, limit),
        ).fetchall()
        return [_shown(row) for row in reversed(rows)]

    def find(self, platform: str, message_id: str) -> list[Shown]:
        """Return every phone's copy of one message."""
        rows = self._db.execute(
            f"{SELECT} WHERE platform = ? AND message_id = ? ORDER BY seq",
            (platform, message_id),
        ).fetchall()
        return [_shown(row) for row in rows]

    def keep(self, file: KeptFile) -> None:
        """Keep a file that bubbles refer to."""
        values = (file.id, file.kind, file.name, file.data, file.kept_at)
        self._db.execute("INSERT OR REPLACE INTO files (id, kind, name, data, kept_at) VALUES (?, ?, ?, ?, ?)", values)

    def kept(self, file_id: str) -> KeptFile | None:
        """Return a kept file."""
        row = self._db.execute("SELECT id, kind, name, data, kept_at FROM files WHERE id = ?", (file_id,)).fetchone()
        return KeptFile(*row) if row else None

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _shown(row: tuple[Any, ...]) -> Shown:
    seq, platform, user_id, message_id, direction, payload, shown_at, updated_at = row
    return Shown(seq, platform, user_id, message_id, direction, json.loads(payload), shown_at, updated_at)
