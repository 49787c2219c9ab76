"""Written knowledge of one tenant: loaded from files, kept in the database, found by meaning.

    files → rows (text, digest, embedding as float16) → vector index → passages

The rows are the truth. Any index is filled from them, and filled again when they change, whichever process
changed them: every search first asks the database for the revision of the rows, one cheap query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import delete, func, select

from db.engine import Database
from db.insert_new import insert_new
from db.models import KbDocument
from knowledge.document_files import Document
from knowledge.embedding import Embedder, to_length_one
from knowledge.passages import Passage
from knowledge.vector_index import BruteForceIndex, Entry, Hit, IndexFailed, VectorIndex, stale

if TYPE_CHECKING:
    from knowledge.embedding import Vectors

# A title says in ten characters what the text says in two hundred, so the two count nearly alike.
TITLE_WEIGHT = 0.4
QUESTION_LENGTH = 500
BATCH = 64
STORED = "<f2"  # float16, little-endian: half a cosine's noise costs no rank
T = TypeVar("T")

log = structlog.get_logger()

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of the documents of one load; `reembedded` kept their text but got a new vector."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    reembedded: int = 0


class KbStore:
    """The knowledge base of one tenant; without an index of its own it searches in memory."""

    def __init__(
        self, database: Database, tenant_id: int, embedder: Embedder, index: VectorIndex | None = None
    ) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._embedder = embedder
        self._index: VectorIndex = index or BruteForceIndex()
        self._seen: tuple[object, ...] | None = None
        self._refreshing = asyncio.Lock()
        self._one_thread = anyio.CapacityLimiter(1)

    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        """Return up to `limit` passages, best first; those under the embedder's threshold are not `confident`."""
        vector = await self._in_thread(lambda: self._embedder.embed_query(text[:QUESTION_LENGTH]))
        if limit < 1 or not vector.any():
            return []
        return await self._passages(await self._nearest(vector, limit, tag))

    async def load_documents(
        self, documents: Sequence[Document], now: datetime, *, prune: bool = False, progress: Progress | None = None
    ) -> LoadResult:
        """Bring the rows in line with the documents; only what changed is embedded.

        `prune` removes rows that are not among the documents, for a directory that is the whole truth.
        """
        stored = await self._digests()
        todo = [d for d in documents if stored.get(d.slug) != (d.digest, self._embedder.name)]
        counts = {"added": 0, "changed": 0, "reembedded": 0}
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            for kind in await self._write(batch, now):
                counts[kind] += 1
            if progress:
                progress(min(start + BATCH, len(todo)), len(todo))
        gone = sorted(set(stored) - {d.slug for d in documents}) if prune else []
        await self._remove(gone)
        return LoadResult(**counts, unchanged=len(documents) - sum(counts.values()), removed=len(gone))

    async def adopt(self, index: VectorIndex) -> None:
        """Fill another index from the rows and search it from now on; meanwhile the old one answers."""
        await self._fill(index)
        async with self._refreshing:
            self._index = index
            self._seen = None

    async def rebuild_index(self, index: VectorIndex, now: datetime, progress: Progress | None = None) -> int:
        """Embed every row anew, fill the given empty index and use it; return how many rows there are."""
        documents = [Document(r.slug, r.title, r.content, tuple(r.tags)) for r in await self._rows()]
        for start in range(0, len(documents), BATCH):
            await self._write(documents[start : start + BATCH], now)
            if progress:
                progress(min(start + BATCH, len(documents)), len(documents))
        await self.adopt(index)
        return len(documents)

    async def titles(self) -> list[tuple[str, str, tuple[str, ...], int]]:
        """Return (slug, title, tags, version) of every document, in the order of the slugs."""
        return [(row.slug, row.title, tuple(row.tags), row.version) for row in await self._rows()]

    # Searching

    async def _nearest(self, vector: Vectors, limit: int, tag: str | None) -> list[Hit]:
        try:
            await self._refresh()
            return await self._index.query(vector, limit, tag)
        except IndexFailed as error:
            log.warning("index.given_up", tenant_id=self._tenant_id, reason=str(error))
            await self.adopt(BruteForceIndex())
            return await self._index.query(vector, limit, tag)

    async def _refresh(self) -> None:
        async with self._refreshing:
            revision = await self._revision()
            if revision != self._seen:
                await self._fill(self._index)
                self._seen = revision

    async def _revision(self) -> tuple[object, ...]:
        query = select(
            func.count(KbDocument.id),
            func.sum(KbDocument.id),
            func.sum(KbDocument.version),
            func.max(KbDocument.updated_at),
        ).where(KbDocument.tenant_id == self._tenant_id)
        async with self._database.read() as session:
            return tuple((await session.execute(query)).one())

    async def _fill(self, index: VectorIndex) -> None:
        """Give the index what the rows have and it has not, and take away what they no longer have."""
        wanted = [(slug, digest) for slug, (digest, _) in (await self._digests()).items()]
        missing, gone = stale(await index.known(), wanted)
        await index.delete(gone)
        for start in range(0, len(missing), BATCH):
            rows = await self._rows(missing[start : start + BATCH])
            await index.upsert(await self._in_thread(lambda rows=rows: self._entries(rows)))  # type: ignore[misc]

    def _entries(self, rows: Sequence[KbDocument]) -> list[Entry]:
        """Return the rows as entries; a vector of another embedder is computed anew, not mixed in."""
        return [Entry(row.slug, row.content_hash, self._vector_of(row), tuple(row.tags)) for row in rows]

    def _vector_of(self, row: KbDocument) -> Vectors:
        import numpy as np  # noqa: PLC0415 - 0.1 s that a start-up need not pay

        if row.embedder != self._embedder.name:
            computed: Vectors = self._embed([Document(row.slug, row.title, row.content, tuple(row.tags))])[0]
            return computed
        vector: Vectors = np.frombuffer(row.embedding, dtype=STORED).astype(np.float32)
        return vector

    async def _passages(self, hits: Sequence[Hit]) -> list[Passage]:
        rows = {row.slug: row for row in await self._rows([hit.slug for hit in hits])}
        return [self._passage(rows[hit.slug], hit.score) for hit in hits if hit.slug in rows]

    def _passage(self, row: KbDocument, score: float) -> Passage:
        sure = score >= self._embedder.threshold
        return Passage(row.slug, row.title, row.content, round(score, 4), tuple(row.tags), confident=sure)

    # Rows

    async def _rows(self, slugs: Sequence[str] | None = None) -> list[KbDocument]:
        query = select(KbDocument).where(KbDocument.tenant_id == self._tenant_id).order_by(KbDocument.slug)
        if slugs is not None:
            query = query.where(KbDocument.slug.in_(slugs))
        async with self._database.read() as session:
            return list((await session.scalars(query)).all())

    async def _digests(self) -> dict[str, tuple[str, str]]:
        query = select(KbDocument.slug, KbDocument.content_hash, KbDocument.embedder).where(
            KbDocument.tenant_id == self._tenant_id
        )
        async with self._database.read() as session:
            return {slug: (digest, embedder) for slug, digest, embedder in (await session.execute(query)).all()}

    async def _write(self, batch: Sequence[Document], now: datetime) -> list[str]:
        """Insert or update the rows of one batch in one transaction; say of each what became of it."""
        vectors = await self._in_thread(lambda: self._embed(batch).astype(STORED))
        async with self._database.write() as session:
            query = select(KbDocument).where(
                KbDocument.tenant_id == self._tenant_id, KbDocument.slug.in_([d.slug for d in batch])
            )
            rows = {row.slug: row for row in (await session.scalars(query)).all()}
            outcomes = []
            for document, vector in zip(batch, vectors, strict=True):
                row = rows.get(document.slug)
                if row is None:
                    await insert_new(session, KbDocument, self._new_row(document, vector.tobytes(), now))
                    outcomes.append("added")
                else:
                    outcomes.append(self._update(row, document, vector.tobytes(), now))
            return outcomes

    def _new_row(self, document: Document, embedding: bytes, now: datetime) -> dict[str, object]:
        return {
            "tenant_id": self._tenant_id,
            "slug": document.slug,
            "title": document.title,
            "content": document.content,
            "tags": list(document.tags),
            "version": 1,
            "content_hash": document.digest,
            "embedder": self._embedder.name,
            "embedding": embedding,
            "updated_at": now,
        }

    def _update(self, row: KbDocument, document: Document, embedding: bytes, now: datetime) -> str:
        row.embedder, row.embedding, row.updated_at = self._embedder.name, embedding, now
        if row.content_hash == document.digest:
            return "reembedded"
        row.title, row.content, row.tags = document.title, document.content, list(document.tags)
        row.content_hash = document.digest
        row.version += 1
        return "changed"

    async def _remove(self, slugs: Sequence[str]) -> None:
        if not slugs:
            return
        statement = delete(KbDocument).where(KbDocument.tenant_id == self._tenant_id, KbDocument.slug.in_(slugs))
        async with self._database.write() as session:
            await session.execute(statement)

    # Vectors

    def _embed(self, documents: Sequence[Document]) -> Vectors:
        """Return one vector per document: title and text, each of length 1, mixed and stretched to 1 again."""
        titles = self._embedder.embed([document.title for document in documents])
        contents = self._embedder.embed([document.content for document in documents])
        return to_length_one(TITLE_WEIGHT * titles + (1 - TITLE_WEIGHT) * contents)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run what computes, and what first imports numpy, away from the event loop."""
        return await anyio.to_thread.run_sync(work, limiter=self._one_thread)
