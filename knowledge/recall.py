"""How well a knowledge base finds what it should: questions with the document each is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knowledge.passages import KnowledgeBase

BAD_LINE = '{path} 第 {line} 行要写成 {{"question": "…", "slug": "文档名"}}，slug 为 null 表示库里没有'


class QuestionsError(Exception):
    """A file of questions that cannot be read; the message is Chinese and names the line."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the slug of its document, None when the knowledge base has nothing to say to it."""

    text: str
    slug: str | None


@dataclass(frozen=True, slots=True)
class Recall:
    """Of `asked` questions with an answer, how many found it first and among three; of `foreign` ones, the refused."""

    asked: int
    at_1: int
    at_3: int
    foreign: int
    refused: int
    misses: tuple[tuple[str, str], ...]  # question, the slug that came first instead

    def __str__(self) -> str:
        found = f"R@1 {self.at_1}/{self.asked}  R@3 {self.at_3}/{self.asked}"
        return f"{found}  无关问题不乱答 {self.refused}/{self.foreign}"


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a JSON Lines file."""
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            raw = json.loads(line)
            questions.append(Question(str(raw["question"]), raw["slug"]))
        except (ValueError, TypeError, KeyError) as error:
            raise QuestionsError(BAD_LINE.format(path=path, line=number)) from error
    return questions


async def measure(knowledge: KnowledgeBase, questions: Sequence[Question]) -> Recall:
    """Ask every question and count."""
    at_1 = at_3 = asked = refused = 0
    misses = []
    for question in questions:
        passages = await knowledge.search(question.text, limit=3)
        slugs = [passage.slug for passage in passages]
        if question.slug is None:
            refused += not passages or not passages[0].confident
            continue
        asked += 1
        at_1 += slugs[:1] == [question.slug]
        at_3 += question.slug in slugs
        if question.slug not in slugs:
            misses.append((question.text, slugs[0] if slugs else "-"))
    return Recall(asked, at_1, at_3, len(questions) - asked, refused, tuple(misses))
