"""Rows that one call can serve: the same message for several people on a platform that takes such calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from db.outbox import ClaimedMessage


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with one message; a single one where nothing can be joined."""

    rows: tuple[ClaimedMessage, ...]


def batches(rows: Iterable[ClaimedMessage], size_of: Callable[[ClaimedMessage], int]) -> list[Batch]:
    """Return the rows in batches of at most the size their platform takes.

    Only fresh pushes without a card are joined: a reply has an address of its own, a card an id of its own, and what
    was tried before may be at another piece.
    """
    joined: dict[str, list[ClaimedMessage]] = {}
    alone: list[Batch] = []
    for row in rows:
        size = size_of(row)
        if size == 1 or not _may_join(row):
            alone.append(Batch((row,)))
            continue
        group = joined.setdefault(_sameness(row), [])
        group.append(row)
        if len(group) == size:
            alone.append(Batch(tuple(joined.pop(_sameness(row)))))
    return [*alone, *(Batch(tuple(group)) for group in joined.values())]


def _may_join(row: ClaimedMessage) -> bool:
    return row.is_push and row.card_id is None and row.attempts == 1 and not row.pieces_sent and not row.interrupted


def _sameness(row: ClaimedMessage) -> str:
    return json.dumps([row.tenant_id, row.platform, row.message], sort_keys=True)
