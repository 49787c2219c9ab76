"""Texts to vectors: character n-grams by default, a sentence model where its files are there.

Every vector has length 1, so a dot product is the cosine. Vectors of two embedders never meet: the embedder's
`name` stands on each stored vector and in the name of each index.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

SYNONYMS = Path(__file__).with_name("synonyms.json")
DIMS = 4096
CONCEPT_WEIGHT = 2.0
# Cosines under which a match is more likely wrong than right; measured on tests/fixtures/kb_questions.jsonl.
HASHING_THRESHOLD = 0.2
SENTENCE_THRESHOLD = 0.5
TWO_UNLIKE_TEXTS = ("复购率怎么算", "羽绒服可水洗")  # of one length: unknown tokens differ by position alone
BLIND_COSINE = 0.999
QUERY_PREFIX = "为这个句子生成表示以用于检索相关文章："  # model card of BAAI/bge-base-zh-v1.5

log = structlog.get_logger()


class EmbeddingError(Exception):
    """An embedder cannot be made; the message says which file is at fault."""


class Embedder(Protocol):
    """Turns texts into vectors of length 1. Both methods compute: call them in a thread."""

    @property
    def name(self) -> str:
        """What tells this embedder's vectors from all others; ASCII."""
        ...

    @property
    def dims(self) -> int:
        """The length of a vector."""
        ...

    @property
    def threshold(self) -> float:
        """The cosine from which a match is worth quoting."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one float32 row per text."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question; all zeros when nothing of it can be used."""
        ...


@dataclass(frozen=True, slots=True)
class Synonyms:
    """Words that mean the same, the first of each group being its name, and words that mean nothing here."""

    groups: tuple[tuple[str, ...], ...]
    ignored: tuple[str, ...]

    @classmethod
    def load(cls, path: Path = SYNONYMS) -> Synonyms:
        """Return the table of a file; `EmbeddingError` says what is wrong with it."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            groups = tuple(tuple(normalise(word) for word in group) for group in raw["groups"])
            ignored = tuple(sorted((normalise(word) for word in raw["ignored"]), key=len, reverse=True))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise EmbeddingError(f"同义词表读不懂：{path}（{error}）") from error
        if not all(all(group) for group in groups) or not all(ignored):
            raise EmbeddingError(f"同义词表里有空词：{path}")
        return cls(groups, ignored)

    @property
    def digest(self) -> str:
        """Eight hex digits that change with the table."""
        return hashlib.sha256(repr((self.groups, self.ignored)).encode()).hexdigest()[:8]

    def concepts(self, text: str) -> list[str]:
        """Return the name of each group that has a word in the normalised text."""
        return [group[0] for group in self.groups if any(word in text for word in group)]

    def without_ignored(self, text: str) -> str:
        """Return the normalised text with each ignored word turned into a gap."""
        for word in self.ignored:
            text = text.replace(word, " ")
        return text


def normalise(text: str) -> str:
    """Return the text in half width and lower case, whatever is no letter or digit as one blank."""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


class HashingEmbedder:
    """Characters and pairs of characters, hashed into 4096 signed counts, over text widened by synonyms.

    Single characters matter: short Chinese questions share few words with the text that answers them. Counts
    are damped by the square root, and a concept of the synonym table counts as one more, heavier feature.
    BLAKE2 instead of `hash()`, which differs from process to process.
    """

    dims = DIMS
    threshold = HASHING_THRESHOLD

    def __init__(self, synonyms: Synonyms | None = None) -> None:
        self._synonyms = synonyms or Synonyms.load()
        self.name = f"hash{DIMS}-{self._synonyms.digest}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text."""
        import numpy as np  # noqa: PLC0415 - 0.1 s that a start-up need not pay

        rows = np.zeros((len(texts), DIMS), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for feature, weight in self._features(text).items():
                number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "little")
                row[number % DIMS] += weight if number >> 31 else -weight
        return to_length_one(rows)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question; questions and documents are treated alike."""
        vector: Vectors = self.embed([text])[0]
        return vector

    def _features(self, text: str) -> dict[str, float]:
        plain = normalise(text)
        concepts = self._synonyms.concepts(plain)
        counts: dict[str, float] = {}
        for gram in _grams([*self._synonyms.without_ignored(plain).split(), *concepts]):
            counts[gram] = counts.get(gram, 0.0) + 1.0
        weights = {gram: count**0.5 for gram, count in counts.items()}
        return weights | {f"concept {name}": CONCEPT_WEIGHT for name in concepts}


def _grams(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield from word
        yield from (word[i : i + 2] for i in range(len(word) - 1))


class SentenceEmbedder:
    """bge-base-zh-v1.5, or another model of its kind, from a local directory; nothing is ever downloaded."""

    threshold = SENTENCE_THRESHOLD

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.name = _name_of(directory)
        self.dims: int = self._model.get_embedding_dimension()
        self._refuse_if_blind()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text."""
        return self._encode(texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question, which the model wants introduced; passages go in as they are."""
        vector: Vectors = self._encode([QUERY_PREFIX + text])[0]
        return vector

    def _encode(self, texts: Sequence[str]) -> Vectors:
        import numpy as np  # noqa: PLC0415 - 0.1 s that a start-up need not pay

        rows = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        vectors: Vectors = np.asarray(rows, dtype=np.float32)
        return vectors

    def _refuse_if_blind(self) -> None:
        """Raise when two unlike texts look the same: a lost vocabulary loads without a word, all text unknown."""
        first, second = self._encode(TWO_UNLIKE_TEXTS)
        if float(first @ second) > BLIND_COSINE:
            raise EmbeddingError(f"模型分不清不同的中文，词表可能缺失：{self._directory}")

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

        return SentenceTransformer(str(self._directory), device="cpu", local_files_only=True)


def open_embedder(model_directory: Path | None = None) -> Embedder:
    """Return the sentence model of the directory, else the hashing embedder with one warning.

    Loading a model takes seconds: call this in a thread. Without a directory the answer is immediate.
    """
    if model_directory is None:
        return HashingEmbedder()
    reason = _why_not(model_directory)
    if reason is None:
        try:
            return SentenceEmbedder(model_directory)
        # What a half-copied directory raises is not documented: torch, safetensors and tokenizers each raise
        # their own, some of them plain Exception. Answering by hashing is right for every one.
        except Exception as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {error}"[:200]
    log.warning("embedding.fallback", directory=str(model_directory), reason=reason)
    return HashingEmbedder()


def embedder_name(model_directory: Path | None = None) -> str:
    """Return the name of the embedder `open_embedder` would open, without opening it: no model is loaded."""
    if model_directory is None or _why_not(model_directory) is not None:
        return HashingEmbedder().name
    return _name_of(model_directory)


def _why_not(directory: Path) -> str | None:
    if not (directory / "config.json").is_file():
        return "no config.json in the directory"
    if importlib.util.find_spec("sentence_transformers") is None:
        return "sentence-transformers is not installed (extra st)"
    return None


def _name_of(directory: Path) -> str:
    return f"st-{_digest_of(directory)}"


def _digest_of(directory: Path) -> str:
    """Return ten hex digits that change when the model in the directory is exchanged."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    sizes = [(str(path.relative_to(directory)), path.stat().st_size) for path in files]
    config = (directory / "config.json").read_bytes()
    return hashlib.sha256(repr(sizes).encode() + config).hexdigest()[:10]


def to_length_one(rows: Vectors) -> Vectors:
    """Return the rows with length 1 each; a row of zeros stays one."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that a start-up need not pay

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit
