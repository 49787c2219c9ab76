"""The loader of sentence models on a real, tiny BERT with random weights, made and saved here.

Two traps of transformers 5.23 are avoided on purpose: `BertTokenizerFast(vocab_file=…)` loads five tokens, so the
vocabulary is given as a dict; and the default initialisation makes all sentences alike.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from knowledge.embedding import QUERY_PREFIX, HashingEmbedder, SentenceEmbedder, open_embedder

sentence_transformers: Any = pytest.importorskip("sentence_transformers", reason="extra st is not installed")
transformers: Any = pytest.importorskip("transformers")
parts: Any = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn about themselves

DIMS = 768
TEXTS = ("复购率怎么算", "羽绒服可以水洗吗", "怎么绑定门店")


def save_tiny_bert(directory: Path, characters: str) -> None:
    """Save a sentence model of two layers whose vocabulary is these characters."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(characters))]
    tokenizer = transformers.BertTokenizerFast(vocab={token: number for number, token in enumerate(tokens)})
    config = transformers.BertConfig(
        vocab_size=len(tokens),
        hidden_size=DIMS,
        num_hidden_layers=2,
        num_attention_heads=12,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=1.0,
    )
    bert = directory.with_name("bert")
    transformers.BertModel(config).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    transformer = parts.Transformer(str(bert))
    model = sentence_transformers.SentenceTransformer(modules=[transformer, parts.Pooling(DIMS, pooling_mode="cls")])
    model.save(str(directory))


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "bge"
    save_tiny_bert(directory, "".join(TEXTS) + QUERY_PREFIX)
    return directory


def test_the_directory_is_loaded_and_tells_texts_apart(model_directory: Path) -> None:
    embedder = open_embedder(model_directory)
    assert isinstance(embedder, SentenceEmbedder)
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (3, DIMS)
    assert vectors.dtype == np.float32
    assert embedder.dims == DIMS
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.95


def test_only_questions_carry_the_prefix(model_directory: Path) -> None:
    embedder = SentenceEmbedder(model_directory)
    question = embedder.embed_query(TEXTS[0])
    assert np.allclose(question, embedder.embed([QUERY_PREFIX + TEXTS[0]])[0], atol=1e-5)
    assert not np.allclose(question, embedder.embed([TEXTS[0]])[0], atol=1e-2)


def test_the_name_stays_with_the_files(model_directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(model_directory, copy)
    assert SentenceEmbedder(copy).name == SentenceEmbedder(model_directory).name
    config = copy / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"note": "another"}))
    assert SentenceEmbedder(copy).name != SentenceEmbedder(model_directory).name


def test_a_half_copied_directory_falls_back_with_one_warning(model_directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "half"
    shutil.copytree(model_directory, copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with capture_logs() as logs:
        assert isinstance(open_embedder(copy), HashingEmbedder)
    assert [entry["event"] for entry in logs] == ["embedding.fallback"]


def test_a_lost_vocabulary_falls_back(tmp_path: Path) -> None:
    save_tiny_bert(tmp_path / "blind", "甲乙丙")
    with capture_logs() as logs:
        assert isinstance(open_embedder(tmp_path / "blind"), HashingEmbedder)
    assert "词表" in logs[0]["reason"]
