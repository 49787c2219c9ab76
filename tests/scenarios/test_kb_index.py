"""The index directory under real processes: two at once, one killed, files damaged."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from structlog.testing import capture_logs

from db.engine import Database
from knowledge.document_files import read_documents
from knowledge.embedding import HashingEmbedder
from knowledge.knowledge_base import KbStore
from knowledge.library import Library
from knowledge.vector_index import ChromaDirectory, open_directory
from tests.fakes.index_owner import entry
from tests.rows import NOW, small_chain

ROOT = Path(__file__).parents[2]
QUESTIONS = ("复购率怎么算", "两张券能一起用吗", "羊绒衫能机洗吗")


def moved_aside(directory: Path) -> list[Path]:
    return list(directory.glob("broken-*"))


@asynccontextmanager
async def owner(directory: Path, count: int, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that owns the directory, and kill it at the end."""
    command = [sys.executable, "-m", "tests.fakes.index_owner", str(directory), str(count), *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def test_a_second_process_answers_the_same_from_memory(database: Database, tmp_path: Path) -> None:
    await small_chain(database)
    await KbStore(database, 1, HashingEmbedder()).load_documents(read_documents(), NOW)
    owning, second = Library(database, tmp_path), Library(database, tmp_path)
    async with owner(tmp_path, 1):
        assert not await second.warm_up()
        from_memory = [[p.slug for p in await second.of(1).search(question)] for question in QUESTIONS]
    assert await owning.warm_up()
    assert [[p.slug for p in await owning.of(1).search(question)] for question in QUESTIONS] == from_memory
    await owning.close()
    await second.close()


async def test_a_killed_writer_leaves_an_index_that_opens_with_everything(tmp_path: Path) -> None:
    async with owner(tmp_path, 300, "--writing") as process:
        await asyncio.sleep(0.5)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    chroma = await ChromaDirectory.open(tmp_path)
    index = await chroma.index("kb-test")
    assert await index.count() == 300
    for number in range(0, 300, 50):
        assert (await index.query(entry(number).vector, 1))[0].slug == f"doc-{number}"
    await chroma.close()


async def test_a_damaged_directory_is_moved_aside_and_rebuilt(database: Database, tmp_path: Path) -> None:
    await small_chain(database)
    await KbStore(database, 1, HashingEmbedder()).load_documents(read_documents(), NOW)
    library = Library(database, tmp_path)
    await library.warm_up()
    await library.close()
    (tmp_path / "index" / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
    with capture_logs() as logs:
        assert await library.warm_up()
    assert [log["event"] for log in logs] == ["index.moved_aside"]
    assert len(moved_aside(tmp_path)) == 1
    assert (await library.of(1).search("复购率怎么算"))[0].slug == "metric-repeat-rate"
    await library.close()


async def test_a_probe_that_takes_too_long_counts_as_damage(tmp_path: Path) -> None:
    chroma = await ChromaDirectory.open(tmp_path)
    await (await chroma.index("kb-test")).upsert([entry(1)])
    await chroma.close()
    again = await open_directory(tmp_path, probe_seconds=0.01)
    assert again is not None
    assert await (await again.index("kb-test")).count() == 0
    await again.close()


async def test_only_the_last_damaged_index_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        chroma = await ChromaDirectory.open(tmp_path, probe_seconds=0.01)
        await chroma.index("kb-test")
        await chroma.close()
    chroma = await ChromaDirectory.open(tmp_path, probe_seconds=0.01)
    await chroma.close()
    assert len(moved_aside(tmp_path)) == 1
