"""The knowledge base: its rows, its index and the files of its model; none of them is opened for writing."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cli.doctor.finding import Finding
from bot.cli.doctor.knowledge import check_knowledge
from bot.config import KnowledgeSettings, Settings
from db.engine import Database
from knowledge.document_files import read_documents
from knowledge.embedding import HashingEmbedder, embedder_name
from knowledge.library import Library
from tests.conftest import make_schema
from tests.rows import NOW, small_chain
from tests.scenarios.doctor.visits import facts_of, found, tenant_facts, visit_of

NAME = HashingEmbedder().name


async def look(directory: Path, documents: dict[str, int] | None = None, model: Path | None = None) -> list[Finding]:
    settings = Settings(knowledge=KnowledgeSettings(directory=directory, model_directory=model))
    facts = facts_of(tenant_facts(documents=documents)) if documents is not None else None
    return await check_knowledge(visit_of(settings, facts))


@pytest.fixture
async def loaded(tmp_path: Path) -> AsyncIterator[Library]:
    """A library of ten documents that has its index open, as the server has."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'kb.db'}")
    await make_schema(database)
    await small_chain(database)
    library = Library(database, tmp_path / "chroma")
    await (await library.store(1)).load_documents(read_documents()[:10], NOW)
    assert await library.warm_up()
    yield library
    await library.close()
    await database.close()


async def test_an_index_in_use_is_counted_without_disturbing_it(loaded: Library, tmp_path: Path) -> None:
    findings = found(await look(tmp_path / "chroma", {NAME: 10}))
    assert findings["knowledge.index"].detail == "acme 10 条，服务正在用"
    assert findings["knowledge.documents"].detail == "10 篇"
    await loaded.close()
    assert found(await look(tmp_path / "chroma", {NAME: 10}))["knowledge.index"].detail == "acme 10 条"


async def test_no_index_no_documents(tmp_path: Path) -> None:
    findings = found(await look(tmp_path / "chroma", {}))
    assert {finding.state for finding in findings.values()} == {"ok", "warn"}
    assert findings["knowledge.documents"].fix.startswith("执行 daogou kb --tenant acme load")
    assert not (tmp_path / "chroma").exists()


async def test_documents_read_by_another_model(tmp_path: Path) -> None:
    finding = found(await look(tmp_path, {NAME: 6, "st-0123456789": 4}))["knowledge.documents"]
    assert (finding.state, finding.detail) == ("warn", "10 篇，其中 4 篇的向量是别的模型算的")


async def test_a_broken_index(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "chroma.sqlite3").write_bytes(b"nothing of the kind" * 100)
    finding = found(await look(tmp_path, {NAME: 1}))["knowledge.index"]
    assert (finding.state, "daogou kb rebuild" in finding.fix) == ("warn", True)


async def test_a_model_whose_files_are_not_all_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("")
    finding = found(await look(tmp_path / "chroma", model=tmp_path))["knowledge.model"]
    assert finding.state == "fail"
    assert "model.safetensors" in finding.fix
    assert "vocab.txt" in finding.fix  # it is empty
    assert "config.json" not in finding.fix.partition("缺的")[2].partition("）")[0]


async def test_a_model_is_judged_by_its_files_alone(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (tmp_path / name).write_text("{}")
    finding = found(await look(tmp_path / "chroma", model=tmp_path))["knowledge.model"]
    installed = importlib.util.find_spec("sentence_transformers") is not None
    assert finding.state == ("ok" if installed else "fail")
    assert embedder_name(tmp_path).startswith("st-" if installed else "hash")
