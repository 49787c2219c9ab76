"""The built-in documents are found by questions in other words; the floors stand a little under what was measured.

`kb_questions.jsonl` was at hand while the synonyms were written, `kb_questions_held_out.jsonl` was not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from db.engine import Database
from knowledge.document_files import read_documents
from knowledge.embedding import HashingEmbedder
from knowledge.knowledge_base import KbStore
from knowledge.recall import measure, read_questions
from tests.rows import NOW, small_chain

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(
    ("name", "at_1", "at_3", "refused"),
    [("kb_questions.jsonl", 0.75, 0.95, 1.0), ("kb_questions_held_out.jsonl", 0.70, 0.85, 0.85)],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_recall_holds(database: Database, name: str, at_1: float, at_3: float, refused: float) -> None:
    await small_chain(database)
    store = KbStore(database, 1, HashingEmbedder())
    await store.load_documents(read_documents(), NOW)
    questions = read_questions(FIXTURES / name)
    assert {question.slug for question in questions if question.slug} <= {d.slug for d in read_documents()}
    recall = await measure(store, questions)
    print(name, recall)
    assert recall.at_1 / recall.asked >= at_1
    assert recall.at_3 / recall.asked >= at_3
    assert recall.refused / recall.foreign >= refused
