"""Indexes: both kinds keep one contract, and collection names are ones Chroma takes."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from knowledge.vector_index import (
    BruteForceIndex,
    ChromaDirectory,
    IndexBusy,
    IndexFailed,
    VectorIndex,
    collection_name,
    open_directory,
    stale,
)
from tests.fakes.index_owner import entry


@pytest.fixture(params=["memory", "chroma"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorIndex]:
    if request.param == "memory":
        yield BruteForceIndex()
        return
    chroma = await ChromaDirectory.open(tmp_path)
    yield await chroma.index("kb-test")
    await chroma.close()


async def test_the_nearest_comes_first_with_its_cosine(index: VectorIndex) -> None:
    await index.upsert([entry(number) for number in range(50)])
    hits = await index.query(entry(7).vector, 3)
    assert hits[0].slug == "doc-7"
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_a_tag_narrows_the_search(index: VectorIndex) -> None:
    await index.upsert([entry(number) for number in range(20)])
    hits = await index.query(entry(7).vector, 20, "even")
    assert {hit.slug for hit in hits} == {f"doc-{number}" for number in range(0, 20, 2)}
    assert await index.query(entry(7).vector, 3, "unknown") == []


async def test_an_entry_is_replaced_not_doubled(index: VectorIndex) -> None:
    first, second = entry(1), entry(2)
    await index.upsert([first])
    await index.upsert([type(first)("doc-1", "new", second.vector, ("odd",))])
    assert (await index.count(), dict(await index.known())) == (1, {"doc-1": "new"})
    assert (await index.query(second.vector, 1))[0].score == pytest.approx(1, abs=1e-5)


async def test_forgotten_entries_are_gone_and_unknown_ones_no_error(index: VectorIndex) -> None:
    await index.upsert([entry(1), entry(2)])
    await index.delete(["doc-1", "never"])
    await index.delete([])
    assert await index.count() == 1
    assert [hit.slug for hit in await index.query(entry(1).vector, 5)] == ["doc-2"]


async def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    assert await index.query(entry(1).vector, 3) == []
    assert await index.count() == 0


async def test_both_kinds_give_the_same_answers(tmp_path: Path) -> None:
    entries = [entry(number) for number in range(200)]
    memory, chroma = BruteForceIndex(), await ChromaDirectory.open(tmp_path)
    kept = await chroma.index("kb-test")
    await memory.upsert(entries)
    await kept.upsert(entries)
    for number in range(200, 220):
        exact = await memory.query(entry(number).vector, 5)
        found = await kept.query(entry(number).vector, 5)
        assert [hit.slug for hit in found] == [hit.slug for hit in exact]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in exact], abs=1e-5)
    await chroma.close()


async def test_a_wrong_dimension_fails_by_name(tmp_path: Path) -> None:
    chroma = await ChromaDirectory.open(tmp_path)
    index = await chroma.index("kb-test")
    await index.upsert([entry(1)])
    with pytest.raises(IndexFailed):
        await index.query(entry(1).vector[:8], 1)
    await chroma.close()


async def test_a_call_that_hangs_is_given_up(tmp_path: Path) -> None:
    chroma = await ChromaDirectory.open(tmp_path)
    released = threading.Event()
    with pytest.raises(IndexFailed, match=r"no answer in 0\.1 s"):
        await chroma.call(lambda: released.wait(5), 0.1)
    released.set()
    await chroma.close()


async def test_the_directory_is_for_one_at_a_time_and_free_after_close(tmp_path: Path) -> None:
    first = await ChromaDirectory.open(tmp_path)
    with pytest.raises(IndexBusy):
        await ChromaDirectory.open(tmp_path)
    assert await open_directory(tmp_path) is None
    await first.close()
    again = await open_directory(tmp_path)
    assert again is not None
    await again.close()


async def test_a_fresh_index_is_empty(tmp_path: Path) -> None:
    chroma = await ChromaDirectory.open(tmp_path)
    await (await chroma.index("kb-test")).upsert([entry(1)])
    assert await (await chroma.fresh_index("kb-test")).count() == 0
    assert await (await chroma.fresh_index("kb-new")).count() == 0
    await chroma.close()


async def test_a_directory_that_cannot_be_made_is_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert await open_directory(tmp_path / "file" / "chroma") is None


@pytest.mark.parametrize("tenant", ["demo", "某某服饰", "a b/c", "x" * 300, "-", "甲"])
def test_names_are_what_chroma_takes(tenant: str) -> None:
    name = collection_name(tenant, "hash4096-1a2b3c4d", 4096)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]", name)


def test_names_differ_where_anything_differs() -> None:
    names = {collection_name(t, e, d) for t in ("甲", "乙") for e in ("hash", "st") for d in (16, 768)}
    assert len(names) == 8


def test_stale_names_what_is_missing_changed_and_gone() -> None:
    assert stale({"a": "1", "b": "1", "c": "1"}, [("a", "1"), ("b", "2"), ("d", "1")]) == (["b", "d"], ["c"])
