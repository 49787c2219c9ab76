"""Hashing by characters: the same in every process, deaf to function words, aware of synonyms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from knowledge.embedding import DIMS, EmbeddingError, HashingEmbedder, Synonyms, normalise, open_embedder

PRINT_VECTOR = (
    "from knowledge.embedding import HashingEmbedder as H; print(H().embed(['客单价怎么算 GMV'])[0].tobytes().hex())"
)


def cosine(embedder: HashingEmbedder, first: str, second: str) -> float:
    return float(embedder.embed_query(first) @ embedder.embed_query(second))


@pytest.fixture(scope="module")
def embedder() -> HashingEmbedder:
    return HashingEmbedder()


def test_vectors_have_length_one_and_float32(embedder: HashingEmbedder) -> None:
    vectors = embedder.embed(["客单价", "满减活动怎么做"])
    assert vectors.shape == (2, DIMS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_another_process_makes_the_same_vector(embedder: HashingEmbedder) -> None:
    run = [sys.executable, "-c", PRINT_VECTOR]
    root = Path(__file__).parents[2]
    other = subprocess.run(run, capture_output=True, text=True, check=True, cwd=root, env={"PYTHONHASHSEED": "7"})
    assert other.stdout.strip() == embedder.embed(["客单价怎么算 GMV"])[0].tobytes().hex()


def test_synonyms_are_near_and_strangers_far(embedder: HashingEmbedder) -> None:
    assert cosine(embedder, "回头客", "老客") > 0.5
    assert cosine(embedder, "羽绒服", "支付失败") < 0.2


def test_width_case_and_punctuation_do_not_matter(embedder: HashingEmbedder) -> None:
    assert cosine(embedder, "ＧＭＶ，怎么算？？", "gmv 怎么算") > 0.999


@pytest.mark.parametrize("text", ["", "   ", "？！…", "的了吗", "\x00", "\ud800"])
def test_text_without_content_is_all_zeros(embedder: HashingEmbedder, text: str) -> None:
    assert not embedder.embed_query(text).any()


def test_another_table_is_another_embedder() -> None:
    assert HashingEmbedder(Synonyms((("复购", "回购"),), ("的",))).name != HashingEmbedder().name


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"groups": []}', '{"groups": [[1]], "ignored": []}', '{"groups": [["复购", "  "]], "ignored": []}'],
)
def test_a_bad_table_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EmbeddingError, match=r"synonyms\.json"):
        Synonyms.load(path)


def test_no_word_stands_in_two_groups() -> None:
    words = [word for group in Synonyms.load().groups for word in group]
    assert sorted(words) == sorted(set(words))


def test_normalise() -> None:
    assert normalise(" 满３００减４０！VIP ") == "满300减40 vip"


def test_without_a_model_directory_nothing_is_said() -> None:
    with capture_logs() as logs:
        assert isinstance(open_embedder(None), HashingEmbedder)
    assert logs == []


def test_a_missing_model_directory_falls_back_with_one_warning(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert isinstance(open_embedder(tmp_path / "bge"), HashingEmbedder)
    assert [entry["event"] for entry in logs] == ["embedding.fallback"]


def test_a_directory_with_nothing_but_a_config_falls_back(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with capture_logs() as logs:
        assert isinstance(open_embedder(tmp_path), HashingEmbedder)
    assert len(logs) == 1
