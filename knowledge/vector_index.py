"""Which documents are nearest to a vector: exact in memory, or by Chroma where this process owns the directory.

    directory/lock          held by the one process that uses Chroma; two would destroy the index in silence
    directory/index         Chroma's files, a cache of the database rows
    directory/broken-…      the last index that failed its probe, kept for a look and replaced by a new one

Chroma costs about a second to import and again as much to probe, so nothing here is opened before it is asked
for; until then, and wherever the lock is taken, `BruteForceIndex` answers from the same vectors.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import structlog

if TYPE_CHECKING:
    from knowledge.embedding import Vectors

PROBE_SECONDS = 15.0
CALL_SECONDS = 5.0
WRITE_SECONDS = 60.0
BATCH = 1000  # Chroma 1.5 refuses more than 5461 at a time
PROBE = Path(__file__).with_name("index_probe.py")
T = TypeVar("T")

log = structlog.get_logger()


class VectorIndexError(Exception):
    """The base of what an index can raise."""


class IndexBusy(VectorIndexError):
    """Another process uses the directory."""


class IndexFailed(VectorIndexError):
    """Chroma raised or did not answer in time; the rows in the database are unharmed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as an index keeps it; `digest` tells whether the vector is still the right one."""

    slug: str
    digest: str
    vector: Vectors
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A document near the question and its cosine."""

    slug: str
    score: float


class VectorIndex(Protocol):
    """Entries of one tenant and one embedder."""

    async def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, replacing those of the same slug."""
        ...

    async def delete(self, slugs: Sequence[str]) -> None:
        """Forget entries; an unknown slug is no error."""
        ...

    async def query(self, vector: Vectors, k: int, tag: str | None = None) -> list[Hit]:
        """Return the `k` nearest, best first."""
        ...

    async def known(self) -> Mapping[str, str]:
        """Return the digest of every entry by slug."""
        ...

    async def count(self) -> int:
        """Return how many entries there are."""
        ...

    async def close(self) -> None:
        """Let go of what the index holds."""
        ...


@dataclass(slots=True)
class BruteForceIndex:
    """Every vector in memory and one matrix product per question: exact, 0.6 ms at 10,000 documents of 768.

    The entries are replaced, never changed in place, so that the thread which multiplies sees one state of them.
    """

    _entries: Mapping[str, Entry] = field(default_factory=dict)
    _stacked: tuple[Mapping[str, Entry], Vectors] | None = None

    async def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, replacing those of the same slug."""
        self._entries = {**self._entries, **{entry.slug: entry for entry in entries}}

    async def delete(self, slugs: Sequence[str]) -> None:
        """Forget entries."""
        gone = set(slugs)
        self._entries = {slug: entry for slug, entry in self._entries.items() if slug not in gone}

    async def query(self, vector: Vectors, k: int, tag: str | None = None) -> list[Hit]:
        """Return the `k` nearest, best first; equal scores in the order of their slugs."""
        scored = await anyio.to_thread.run_sync(self._scored, vector) if self._entries else []
        hits = [Hit(entry.slug, score) for entry, score in scored if tag is None or tag in entry.tags]
        return sorted(hits, key=lambda hit: (-hit.score, hit.slug))[:k]

    def _scored(self, vector: Vectors) -> list[tuple[Entry, float]]:
        import numpy as np  # noqa: PLC0415 - 0.1 s that a start-up need not pay

        entries, stacked = self._entries, self._stacked
        if not entries:
            return []
        if stacked is None or stacked[0] is not entries:
            stacked = entries, np.stack([entry.vector for entry in entries.values()]).astype(np.float32)
            self._stacked = stacked
        return list(zip(entries.values(), (stacked[1] @ vector).tolist(), strict=True))

    async def known(self) -> Mapping[str, str]:
        """Return the digest of every entry by slug."""
        return {slug: entry.digest for slug, entry in self._entries.items()}

    async def count(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    async def close(self) -> None:
        """Nothing is held."""


class ChromaDirectory:
    """The one Chroma client of a process, its lock, and the one thread in which every call runs."""

    def __init__(self, client: Any, lock: IO[str]) -> None:
        self._client = client
        self._lock = lock
        self._one_thread = anyio.CapacityLimiter(1)

    @classmethod
    async def open(cls, directory: Path, probe_seconds: float = PROBE_SECONDS) -> ChromaDirectory:
        """Take the lock, probe what is there, move it aside if it is broken, and open it.

        `IndexBusy` when another process has it, `IndexFailed` when Chroma cannot be opened at all.
        """
        lock = _take_lock(directory)
        try:
            index = directory / "index"
            if index.exists() and not await _is_sound(index, probe_seconds):
                _move_aside(index)
            client = await anyio.to_thread.run_sync(_or_failed, lambda: _open_client(index))
        except BaseException:
            lock.close()
            raise
        return cls(client, lock)

    async def index(self, name: str) -> ChromaIndex:
        """Return the index of this name, empty when it is new; `collection_name` makes good names."""
        collection = await self.call(lambda: _collection(self._client, name))
        return ChromaIndex(self, name, collection)

    async def fresh_index(self, name: str) -> ChromaIndex:
        """Return an empty index of this name, whatever it held before."""
        known = await self.call(lambda: [collection.name for collection in self._client.list_collections()])
        if name in known:
            await self.call(lambda: self._client.delete_collection(name), WRITE_SECONDS)
        return await self.index(name)

    async def call(self, work: Callable[[], T], seconds: float = CALL_SECONDS) -> T:
        """Return what `work` returns in Chroma's thread; whatever goes wrong there becomes `IndexFailed`."""
        try:
            with anyio.fail_after(seconds):
                return await anyio.to_thread.run_sync(
                    _or_failed, work, limiter=self._one_thread, abandon_on_cancel=True
                )
        except TimeoutError as error:
            raise IndexFailed(f"no answer in {seconds:g} s") from error

    async def close(self) -> None:
        """Close Chroma and let another process have the directory."""
        try:
            await self.call(self._client.close)
        finally:
            self._lock.close()


@dataclass(frozen=True, slots=True)
class ChromaIndex:
    """One collection: cosine distance, our own vectors, one boolean field per tag."""

    directory: ChromaDirectory
    name: str
    _collection: Any

    async def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, replacing those of the same slug."""
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            await self.directory.call(lambda batch=batch: self._upsert(batch), WRITE_SECONDS)  # type: ignore[misc]

    def _upsert(self, batch: Sequence[Entry]) -> None:
        self._collection.upsert(
            ids=[entry.slug for entry in batch],
            embeddings=[entry.vector for entry in batch],
            metadatas=[{"digest": entry.digest} | {f"tag_{tag}": True for tag in entry.tags} for entry in batch],
        )

    async def delete(self, slugs: Sequence[str]) -> None:
        """Forget entries."""
        if slugs:
            await self.directory.call(lambda: self._collection.delete(ids=list(slugs)), WRITE_SECONDS)

    async def query(self, vector: Vectors, k: int, tag: str | None = None) -> list[Hit]:
        """Return the `k` nearest, best first; equal scores in the order of their slugs."""
        where = {f"tag_{tag}": True} if tag else None
        found = await self.directory.call(
            lambda: self._collection.query(query_embeddings=[vector], n_results=k, where=where, include=["distances"])
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return sorted((Hit(slug, 1.0 - distance) for slug, distance in pairs), key=lambda hit: (-hit.score, hit.slug))

    async def known(self) -> Mapping[str, str]:
        """Return the digest of every entry by slug."""
        found = await self.directory.call(lambda: self._collection.get(include=["metadatas"]), WRITE_SECONDS)
        return {
            slug: str((fields or {}).get("digest", ""))
            for slug, fields in zip(found["ids"], found["metadatas"], strict=True)
        }

    async def count(self) -> int:
        """Return how many entries there are."""
        return await self.directory.call(self._collection.count)

    async def close(self) -> None:
        """Nothing of its own; the directory is closed by whoever opened it."""


async def open_directory(directory: Path, probe_seconds: float = PROBE_SECONDS) -> ChromaDirectory | None:
    """Return the directory if this process can have it, else None with one line in the log."""
    try:
        return await ChromaDirectory.open(directory, probe_seconds)
    except IndexBusy:
        log.info("index.busy", directory=str(directory))
    except (IndexFailed, OSError) as error:
        log.warning("index.unusable", directory=str(directory), reason=str(error))
    return None


async def open_index(directory: ChromaDirectory | None, name: str) -> VectorIndex:
    """Return the Chroma index of this name where there is a directory to have it in, else one in memory."""
    if directory is not None:
        try:
            return await directory.index(name)
        except IndexFailed as error:
            log.warning("index.unusable", index=name, reason=str(error))
    return BruteForceIndex()


def collection_name(tenant: str, embedder: str, dims: int) -> str:
    """Return a name Chroma accepts (3-512 of `[a-zA-Z0-9._-]`, letters or digits at both ends), one per combination."""
    whole = f"{tenant}-{embedder}-{dims}"
    readable = re.sub(r"[^a-zA-Z0-9._-]+", "_", whole)[:100]
    return f"kb-{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def stale(known: Mapping[str, str], wanted: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return the slugs an index must take in and those it must forget, given (slug, digest) of what is wanted."""
    target = dict(wanted)
    missing = [slug for slug, digest in target.items() if known.get(slug) != digest]
    return missing, [slug for slug in known if slug not in target]


def _or_failed(work: Callable[[], T]) -> T:
    """Run in Chroma's thread. A panic of its Rust core is a BaseException, which no other loop would survive."""
    try:
        return work()
    except BaseException as error:
        raise IndexFailed(f"{type(error).__name__}: {error}"[:200]) from error


def _take_lock(directory: Path) -> IO[str]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise IndexBusy(str(directory)) from error
    return lock


async def _is_sound(index: Path, seconds: float) -> bool:
    """Say whether a process of its own could open, count and query it in time; killed when it hangs."""
    # -P: with the script's folder on the path, our own modules would hide those of the standard library.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(PROBE),
        str(index),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(seconds):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _move_aside(index: Path) -> None:
    for older in index.parent.glob("broken-*"):
        shutil.rmtree(older, ignore_errors=True)
    aside = index.with_name(f"broken-{time.time_ns()}")
    index.rename(aside)
    log.warning("index.moved_aside", directory=str(index), aside=aside.name)


def _open_client(index: Path) -> Any:
    from chromadb import PersistentClient  # noqa: PLC0415 - half a second and 60 MB
    from chromadb.config import Settings  # noqa: PLC0415

    return PersistentClient(str(index), Settings(anonymized_telemetry=False))


def _collection(client: Any, name: str) -> Any:
    # Without embedding_function=None Chroma downloads a model of its own at the first insert.
    return client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
