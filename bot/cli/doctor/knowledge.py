"""The knowledge base: its documents, the index beside them, and the model that reads them. No model is loaded here."""

from __future__ import annotations

import fcntl
import importlib.util
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import anyio.to_thread

from bot.cli.doctor.facts import Facts
from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.visit import Visit
from bot.config import KnowledgeSettings
from knowledge.embedding import embedder_name

INDEX, MODEL, DOCUMENTS = "知识库索引", "向量模型", "知识库"
# Any one of them holds what a model has learnt; without a vocabulary it loads and takes every text for the same.
WEIGHTS = ("model.safetensors", "pytorch_model.bin", "onnx/model.onnx")
VOCABULARY = ("vocab.txt", "tokenizer.json")
ENTRIES = (
    "SELECT COUNT(*) FROM embeddings JOIN segments ON segments.id = embeddings.segment_id"
    " JOIN collections ON collections.id = segments.collection WHERE collections.name LIKE ? ESCAPE '\\'"
)
BUSY_SECONDS = 1.0
REBUILD = "停掉服务，执行 daogou kb rebuild（问答不受影响：没有索引时在内存里找）"


async def check_knowledge(visit: Visit) -> list[Finding]:
    """Return how the knowledge base stands; the index is only read, it belongs to the server."""
    settings = visit.settings.knowledge
    model = (
        _model(settings.model_directory)
        if settings.model_directory
        else HERE.ok("knowledge.model", MODEL, "没有配置，用自带的字符向量")
    )
    facts = await visit.facts
    index = await anyio.to_thread.run_sync(_index, settings, facts)
    return [model, index, *(_documents(visit, facts) if facts else [])]


def _model(directory: Path) -> Finding:
    code, key = "knowledge.model", "config.toml 的 [knowledge] model_directory"
    missing = list(_missing(directory))
    if missing:
        fix = f"把 bge-base-zh-v1.5 的文件整个放进 {directory}（缺的：{'、'.join(missing)}），或把 {key} 改成空的"
        return HERE.fail(code, MODEL, f"{directory} 里的文件不全，现在用的是自带的字符向量", fix)
    if importlib.util.find_spec("sentence_transformers") is None:
        fix = f"pip install -r requirements-st.lock 装上 daogou[st]，或把 {key} 改成空的"
        return HERE.fail(code, MODEL, "没有装 sentence-transformers，现在用的是自带的字符向量", fix)
    return HERE.ok(code, MODEL, f"{directory}，文件齐全")


def _missing(directory: Path) -> Iterator[str]:
    for names in (("config.json",), WEIGHTS, VOCABULARY):
        if not any(_is_readable(directory / name) for name in names):
            yield "或".join(names)


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _index(settings: KnowledgeSettings, facts: Facts | None) -> Finding:
    code, path = "knowledge.index", settings.directory / "index" / "chroma.sqlite3"
    if not path.exists():
        fix = "daogou serve 启动后会自己建；也可以执行 daogou kb load。没有它也能答，只是在内存里找"
        return (
            HERE.ok(code, INDEX, f"{settings.directory} 还没有建")
            if not facts
            else HERE.warn(code, INDEX, "还没有建", fix)
        )
    try:
        counts = _entries(path, settings, facts)
    except sqlite3.Error as error:
        return HERE.warn(code, INDEX, f"{path} 读不了（{type(error).__name__}）", REBUILD)
    where = "，服务正在用" if _is_held(settings.directory) else ""
    said = "、".join(f"{key} {count} 条" for key, count in counts.items()) or "空的"
    return HERE.ok(code, INDEX, f"{said}{where}")


def _entries(path: Path, settings: KnowledgeSettings, facts: Facts | None) -> dict[str, int]:
    """Return how many entries the index of each tenant has for the model in use; Chroma keeps them in SQLite."""
    name = embedder_name(settings.model_directory)
    tenants = {key: one.tenant_id for key, one in facts.tenants.items()} if facts else {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as file:
        return {
            key: int(file.execute(ENTRIES, (_like(f"kb-{tenant_id}-{name}-"),)).fetchone()[0])
            for key, tenant_id in tenants.items()
        }


def _like(prefix: str) -> str:
    return prefix.replace("_", "\\_") + "%"


def _is_held(directory: Path) -> bool:
    """Whether a process has the index; asked without making the file or keeping the lock."""
    try:
        with (directory / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _documents(visit: Visit, facts: Facts) -> Iterator[Finding]:
    name = embedder_name(visit.settings.knowledge.model_directory)
    for key, tenant in facts.tenants.items():
        if visit.tenant in {None, key}:
            yield _documents_of(Subject(key), tenant.documents, name)


def _documents_of(subject: Subject, documents: Mapping[str, int], name: str) -> Finding:
    code, total = "knowledge.documents", sum(documents.values())
    if not total:
        fix = f"执行 daogou kb --tenant {subject.tenant} load 载入自带的文档"
        return subject.warn(code, DOCUMENTS, "还没有文档，问定义和办法时答不上来", fix)
    if others := total - documents.get(name, 0):
        fix = f"执行 daogou kb --tenant {subject.tenant} load 重算一次，否则每次启动都要现算"
        return subject.warn(code, DOCUMENTS, f"{total} 篇，其中 {others} 篇的向量是别的模型算的", fix)
    return subject.ok(code, DOCUMENTS, f"{total} 篇")
