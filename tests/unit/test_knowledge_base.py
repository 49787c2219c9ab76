"""Loading, searching and rebuilding the knowledge base on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from db.engine import Database
from db.models import KbDocument, Tenant
from knowledge.document_files import Document
from knowledge.embedding import HashingEmbedder, Synonyms
from knowledge.knowledge_base import KbStore, LoadResult
from knowledge.library import Library
from knowledge.vector_index import BruteForceIndex, Hit, IndexFailed
from tests.rows import NOW, small_chain

if TYPE_CHECKING:
    from knowledge.embedding import Vectors

AOV = Document("aov", "客单价怎么算", "客单价 = GMV ÷ 订单数。", ("metric",))
STACKING = Document("stacking", "券叠加的风险", "多张券同时可用，实付价可能低于成本。", ("risk",))
BIND = Document("bind", "怎么绑定门店", "把编号发给管理员，由管理员绑定。", ("faq",))
ALL = [AOV, STACKING, BIND]


class BrokenIndex(BruteForceIndex):
    """Takes everything in and answers nothing."""

    async def query(self, vector: Vectors, k: int, tag: str | None = None) -> list[Hit]:
        raise IndexFailed("no answer in 5 s")


@pytest.fixture
async def store(database: Database) -> KbStore:
    await small_chain(database)
    return KbStore(database, 1, HashingEmbedder())


async def first(store: KbStore, text: str) -> str:
    return (await store.search(text))[0].slug


async def test_what_is_loaded_is_found(store: KbStore) -> None:
    assert await store.load_documents(ALL, NOW) == LoadResult(added=3)
    passage = (await store.search("客单价口径是什么"))[0]
    assert (passage.slug, passage.title, passage.tags) == ("aov", AOV.title, ("metric",))
    assert passage.content == AOV.content
    assert 0.3 < passage.score <= 1
    assert passage.confident


async def test_a_tag_narrows_and_a_limit_cuts(store: KbStore) -> None:
    await store.load_documents(ALL, NOW)
    assert [passage.slug for passage in await store.search("客单价", tag="risk")] == ["stacking"]
    assert len(await store.search("客单价", limit=2)) == 2
    assert await store.search("客单价", limit=0) == []
    assert await store.search("客单价", tag="nothing") == []


async def test_a_foreign_question_is_answered_without_confidence(store: KbStore) -> None:
    await store.load_documents(ALL, NOW)
    passages = await store.search("世界杯谁会赢")
    assert len(passages) == 3
    assert not any(passage.confident for passage in passages)


async def test_odd_texts_do_no_harm(store: KbStore) -> None:
    await store.load_documents(ALL, NOW)
    for text in ("", "？？？", "的", "\ud800\x00", "长" * 100_000):
        assert not [passage for passage in await store.search(text) if passage.confident]


async def test_an_empty_knowledge_base_finds_nothing(store: KbStore) -> None:
    assert await store.search("客单价") == []


async def test_loading_again_touches_only_what_changed(store: KbStore) -> None:
    await store.load_documents(ALL, NOW)
    assert await store.load_documents(ALL, NOW) == LoadResult(unchanged=3)
    changed = [replace(AOV, content="客单价 = 实付 ÷ 单数。"), STACKING, BIND]
    assert await store.load_documents(changed, NOW + timedelta(hours=1)) == LoadResult(changed=1, unchanged=2)
    assert (await store.search("客单价"))[0].content == "客单价 = 实付 ÷ 单数。"
    assert [(slug, version) for slug, _, _, version in await store.titles()] == [
        ("aov", 2),
        ("bind", 1),
        ("stacking", 1),
    ]


async def test_only_prune_removes(store: KbStore) -> None:
    await store.load_documents(ALL, NOW)
    assert (await store.load_documents([AOV], NOW)).removed == 0
    assert await store.load_documents([AOV], NOW, prune=True) == LoadResult(unchanged=1, removed=2)
    assert {passage.slug for passage in await store.search("怎么绑定门店")} == {"aov"}


async def test_another_embedder_gets_vectors_of_its_own(store: KbStore, database: Database) -> None:
    await store.load_documents(ALL, NOW)
    other = KbStore(database, 1, HashingEmbedder(Synonyms((("客单价", "每单"),), ("的",))))
    assert await first(other, "每单") == "aov"
    assert await other.load_documents(ALL, NOW) == LoadResult(reembedded=3)


async def test_what_another_process_writes_is_found_at_the_next_search(store: KbStore, database: Database) -> None:
    await store.load_documents([AOV], NOW)
    assert await first(store, "怎么绑定门店") == "aov"
    await KbStore(database, 1, HashingEmbedder()).load_documents([BIND], NOW, prune=True)
    assert [passage.slug for passage in await store.search("怎么绑定门店")] == ["bind"]


async def test_tenants_do_not_see_each_other(store: KbStore, database: Database) -> None:
    async with database.write() as session:
        session.add(Tenant(id=2, key="other", name="别家", created_at=NOW))
    await store.load_documents([AOV], NOW)
    other = KbStore(database, 2, HashingEmbedder())
    assert await other.search("客单价") == []
    await other.load_documents([BIND], NOW, prune=True)
    assert await first(store, "客单价") == "aov"


async def test_an_index_that_fails_is_given_up_and_the_question_answered(store: KbStore, database: Database) -> None:
    await store.load_documents(ALL, NOW)
    broken = KbStore(database, 1, HashingEmbedder(), BrokenIndex())
    with capture_logs() as logs:
        assert await first(broken, "客单价") == "aov"
        assert await first(broken, "怎么绑定门店") == "bind"
    assert [entry["event"] for entry in logs] == ["index.given_up"]


async def test_the_stored_vector_is_float16_and_used_as_it_is(store: KbStore, database: Database) -> None:
    await store.load_documents([AOV], NOW)
    async with database.read() as session:
        row = (await session.scalars(select(KbDocument))).one()
    vector = np.frombuffer(row.embedding, dtype="<f2").astype(np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
    question = HashingEmbedder().embed_query("客单价")
    assert (await store.search("客单价"))[0].score == pytest.approx(float(vector @ question), abs=1e-4)


async def test_rebuilding_repairs_damaged_vectors(store: KbStore, database: Database) -> None:
    await store.load_documents(ALL, NOW)
    async with database.write() as session:
        await session.execute(update(KbDocument).values(embedding=np.zeros(4096, dtype="<f2").tobytes()))
    assert await store.rebuild_index(BruteForceIndex(), NOW) == 3
    assert await first(store, "券能叠加吗") == "stacking"


async def test_progress_is_told_in_batches(store: KbStore) -> None:
    told: list[tuple[int, int]] = []
    many = [Document(f"d{number}", f"标题{number}", "正文", ("faq",)) for number in range(70)]
    await store.load_documents(many, NOW, progress=lambda done, total: told.append((done, total)))
    assert told == [(64, 70), (70, 70)]


async def test_chroma_takes_over_and_gives_the_same_answers(store: KbStore, database: Database, tmp_path: Path) -> None:
    await store.load_documents(ALL, NOW)
    before = await store.search("两张券能一起用吗")
    library = Library(database, tmp_path / "chroma")
    knowledge = library.of(1)
    assert await knowledge.search("两张券能一起用吗") == before
    assert await library.warm_up()
    assert await library.warm_up()
    after = await knowledge.search("两张券能一起用吗")
    assert [p.slug for p in after] == [p.slug for p in before]
    assert [p.score for p in after] == pytest.approx([p.score for p in before], abs=1e-3)
    await library.close()


async def test_chroma_follows_the_rows(store: KbStore, database: Database, tmp_path: Path) -> None:
    await store.load_documents(ALL, NOW)
    library = Library(database, tmp_path / "chroma")
    await library.warm_up()
    await store.load_documents([replace(AOV, title="客单价口径"), BIND], NOW, prune=True)
    passages = await library.of(1).search("客单价")
    assert [(p.slug, p.title) for p in passages] == [("aov", "客单价口径"), ("bind", BIND.title)]
    assert await library.rebuild(1, NOW) == 2
    assert (await library.of(1).search("客单价"))[0].slug == "aov"
    await library.close()
