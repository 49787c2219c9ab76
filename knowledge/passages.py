"""What the knowledge base gives to those who ask it: passages, and the one method they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of written knowledge; `score` is its cosine to the question, at most 1.

    `confident` is False below the embedder's threshold: near, but not to be quoted as the answer.
    """

    slug: str
    title: str
    content: str
    score: float
    tags: tuple[str, ...]
    confident: bool = True


class KnowledgeBase(Protocol):
    """Finds the passages nearest in meaning to a text."""

    async def search(self, text: str, tag: str | None = None, limit: int = 3) -> Sequence[Passage]:
        """Return up to `limit` passages, best first, of one tag or of all; weak matches are among them."""
        ...
