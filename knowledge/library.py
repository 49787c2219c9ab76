"""The knowledge bases of all tenants: one embedder, one Chroma directory, nothing opened before it is needed.

The first search answers from memory. `warm_up`, in a task of its own once the server is ready, imports and
probes Chroma and then lets it take over; the process that finds the directory taken stays with memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio.to_thread
import structlog
from sqlalchemy import select

from db.engine import Database
from db.models import Tenant
from knowledge.embedding import Embedder, open_embedder
from knowledge.knowledge_base import KbStore, Progress
from knowledge.passages import Passage
from knowledge.vector_index import (
    BruteForceIndex,
    ChromaDirectory,
    IndexFailed,
    VectorIndex,
    collection_name,
    open_directory,
    open_index,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TenantKnowledge:
    """A `KnowledgeBase` that opens at its first search."""

    library: Library
    tenant_id: int

    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        """Return up to `limit` passages, best first, of one tag or of all."""
        return await (await self.library.store(self.tenant_id)).search(text, tag, limit)


class Library:
    """Hands out the knowledge base of each tenant; close it at the end so that others can have the directory."""

    def __init__(self, database: Database, directory: Path | None = None, model_directory: Path | None = None) -> None:
        self._database = database
        self._directory = directory
        self._model_directory = model_directory
        self._embedder: Embedder | None = None
        self._chroma: ChromaDirectory | None = None
        self._stores: dict[int, KbStore] = {}
        self._opening = asyncio.Lock()

    def of(self, tenant_id: int) -> TenantKnowledge:
        """Return the knowledge base of a tenant for handlers to keep."""
        return TenantKnowledge(self, tenant_id)

    async def store(self, tenant_id: int) -> KbStore:
        """Return the open store of a tenant."""
        async with self._opening:
            if tenant_id not in self._stores:
                store = KbStore(self._database, tenant_id, await self._open_embedder())
                await self._hand_to_chroma(tenant_id, store)
                self._stores[tenant_id] = store
            return self._stores[tenant_id]

    async def warm_up(self) -> bool:
        """Open Chroma for every tenant; False when another process has the directory or it cannot be used."""
        if self._directory is None:
            return False
        if self._chroma is None:
            self._chroma = await open_directory(self._directory)
        for tenant_id in await self._tenants():
            await self._hand_to_chroma(tenant_id, await self.store(tenant_id))
        return self._chroma is not None

    async def rebuild(self, tenant_id: int, now: datetime, progress: Progress | None = None) -> int:
        """Embed every row of a tenant anew, in a new index; return how many there are."""
        store = await self.store(tenant_id)
        index: VectorIndex = BruteForceIndex()
        if self._chroma is not None:
            index = await self._chroma.fresh_index(await self._index_name(tenant_id))
        return await store.rebuild_index(index, now, progress)

    async def close(self) -> None:
        """Close Chroma and release its directory."""
        chroma, self._chroma = self._chroma, None
        self._stores.clear()
        if chroma is not None:
            try:
                await chroma.close()
            except IndexFailed as error:
                log.warning("index.close_failed", reason=str(error))

    async def _hand_to_chroma(self, tenant_id: int, store: KbStore) -> None:
        if self._chroma is None:
            return
        try:
            await store.adopt(await open_index(self._chroma, await self._index_name(tenant_id)))
        except IndexFailed as error:
            log.warning("index.unusable", tenant_id=tenant_id, reason=str(error))

    async def _index_name(self, tenant_id: int) -> str:
        embedder = await self._open_embedder()
        return collection_name(str(tenant_id), embedder.name, embedder.dims)

    async def _open_embedder(self) -> Embedder:
        if self._embedder is None:
            self._embedder = await anyio.to_thread.run_sync(open_embedder, self._model_directory)
        return self._embedder

    async def _tenants(self) -> Sequence[int]:
        async with self._database.read() as session:
            return (await session.scalars(select(Tenant.id).order_by(Tenant.id))).all()
