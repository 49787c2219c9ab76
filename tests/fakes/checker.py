"""What must hold after any fault, checked over what the platforms saw, the tables and the logs together.

    accepted   a message whose callback was answered 200, or whose frame was acknowledged
    heard      a reply as the phone of its sender shows it

Replies are attributable: the handler of these tests answers `回声 <text>`, and every text is unique.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import DeclarativeBase

from db.engine import Database
from db.models import CardRow, Conversation, Inbox, Message, Outbox

ECHO = "回声 "
PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
# How an outbox row may end without its reply having been shown for certain.
DECLARED = ("unknown", "failed", "expired")
OF_TENANTS: tuple[type[DeclarativeBase], ...] = (Inbox, Outbox, Conversation, Message, CardRow)


@dataclass(frozen=True, slots=True)
class Line:
    """A text on one person's phone: what they said, or what they were answered."""

    platform: str
    user: str
    text: str

    @property
    def chat(self) -> tuple[str, str]:
        return self.platform, self.user


@dataclass(frozen=True, slots=True)
class Counts:
    """How the accepted messages ended."""

    accepted: int
    answered: int
    unknown: int = 0
    failed: int = 0
    expired: int = 0
    dead: int = 0
    duplicates: int = 0
    lost: int = 0

    def __str__(self) -> str:
        names = ("accepted", "answered", "unknown", "failed", "expired", "dead", "duplicates", "lost")
        return " · ".join(f"{name} {getattr(self, name)}" for name in names)


@dataclass(frozen=True, slots=True)
class Row:
    """An inbox row with the ends of the outbox rows that answer it."""

    id: int
    line: Line
    status: str
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything there is to judge by. `forbidden` are words no log may show."""

    accepted: Sequence[Line]
    heard: Sequence[Line]
    rows: Sequence[Row]
    logs: Sequence[Path] = ()
    forbidden: Sequence[str] = ()

    def judge(self) -> Counts:
        """Return the counts; `AssertionError` names everything that does not hold."""
        counts = self._counts()
        faults = [*self._rows(), *self._strays(), *self._disorder(), *self._leaks()]
        if counts.lost or counts.duplicates:
            faults.append(str(counts))
        assert not faults, "\n".join(faults)
        return counts

    def _rows(self) -> Iterator[str]:
        """Every accepted message has one row, and every row has ended."""
        rows = Counter(row.line for row in self.rows)
        yield from (f"{rows[line]} inbox rows for {line}" for line in self.accepted if rows[line] != 1)
        for row in self.rows:
            if row.status not in {"done", "dead"} or {"queued", "sending"} & set(row.ends):
                yield f"unfinished: {row}"

    def _strays(self) -> Iterator[str]:
        """Every reply is on the phone of whoever asked."""
        known = {row.line for row in self.rows}
        yield from (f"a reply to nobody: {line}" for line in self.heard if line not in known)

    def _disorder(self) -> Iterator[str]:
        """A chat is received and answered in the order in which it was acknowledged."""
        place = {row.line: row.id for row in self.rows}
        for what, all_lines in (("answered", self.heard), ("received", self.accepted)):
            for chat, lines in _by_chat(all_lines).items():
                places = [place.get(line, 0) for line in lines]
                if places != sorted(places):
                    yield f"{what} out of order on {chat}: {[line.text for line in lines]}"

    def _leaks(self) -> Iterator[str]:
        """No log shows a secret, a token, what somebody wrote or a phone number."""
        words = [*self.forbidden, *(line.text for line in self.accepted)]
        for path in self.logs:
            text = path.read_text(encoding="utf-8", errors="replace")
            shown = [word for word in words if word in text]
            if shown or PHONE.search(text):
                yield f"{path.name} shows {shown or 'a phone number'}"

    def _counts(self) -> Counts:
        heard, accepted = Counter(self.heard), set(self.accepted)
        ends = Counter(_end(row, heard[row.line]) for row in self.rows if row.line in accepted)
        return Counts(
            accepted=len(accepted),
            answered=ends["answered"],
            unknown=ends["unknown"],
            failed=ends["failed"],
            expired=ends["expired"],
            dead=ends["dead"],
            duplicates=sum(times - 1 for times in heard.values()),
            lost=len(accepted) - sum(ends[name] for name in ("answered", *DECLARED, "dead")),
        )


def _end(row: Row, heard: int) -> str:
    """Return how a message ended; "lost" where it says that it was answered and nobody heard it."""
    if row.status == "dead":
        return "dead"
    declared = next((end for end in DECLARED if end in row.ends), None)
    if declared is not None:
        return declared
    return "answered" if heard else "lost"


def _by_chat(lines: Iterable[Line]) -> Mapping[tuple[str, str], list[Line]]:
    chats: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        chats[line.chat].append(line)
    return chats


async def rows_of(database: Database, tenant_id: int) -> list[Row]:
    """Return a tenant's messages with how their replies ended."""
    async with database.read() as session:
        received = (await session.scalars(select(Inbox).where(Inbox.tenant_id == tenant_id).order_by(Inbox.id))).all()
        replies = select(Outbox.inbox_id, Outbox.status).where(Outbox.inbox_id.is_not(None))
        ends: defaultdict[int, list[str]] = defaultdict(list)
        for inbox_id, status in await session.execute(replies):
            ends[inbox_id or 0].append(status)
    return [Row(row.id, _line(row), row.status, tuple(ends[row.id])) for row in received]


def _line(row: Inbox) -> Line:
    return Line(row.platform, str(row.update["address"]["user_id"]), str(row.update["text"]))


async def unfinished(database: Database) -> int:
    """Return how many rows still wait for somebody."""
    waiting: tuple[Select[Any], ...] = (
        select(func.count()).where(Inbox.status.in_(("new", "working"))),
        select(func.count()).where(Outbox.status.in_(("queued", "sending"))),
    )
    async with database.read() as session:
        return sum([int(await session.scalar(query) or 0) for query in waiting])


async def rows_by_tenant(database: Database) -> Mapping[int, Mapping[str, int]]:
    """Return how many rows of each table each tenant has."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    async with database.read() as session:
        for model in OF_TENANTS:
            columns: Any = model
            query = select(columns.tenant_id, func.count()).group_by(columns.tenant_id)
            for tenant_id, count in await session.execute(query):
                found[tenant_id][model.__tablename__] = count
        # A reply belongs to the tenant of its message.
        same = Outbox.inbox_id == Inbox.id
        mixed = select(func.count()).select_from(Outbox).join(Inbox, same).where(Outbox.tenant_id != Inbox.tenant_id)
        assert await session.scalar(mixed) == 0, "a reply of one tenant answers a message of another"
    return found


async def push_keys_sent_twice(database: Database) -> Sequence[str]:
    """Return the keys of pushes of which more than one row was sent."""
    same = (Outbox.tenant_id, Outbox.store_id, Outbox.staff_id, Outbox.kind, Outbox.due_date)
    pushed = select(func.min(Outbox.dedupe_key)).where(Outbox.due_date.is_not(None), Outbox.status == "sent")
    async with database.read() as session:
        return list((await session.scalars(pushed.group_by(*same).having(func.count() > 1))).all())
