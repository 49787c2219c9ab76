"""What is sent without words, words that point at a quote, thumbs, and texts that are shown while written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select

from db.engine import Database
from db.models import Feedback, Message, Outbox
from handlers.intents import Intent
from handlers.media import SEEN, MediaHandler, kilometres
from handlers.messages import Address, Attachment, GivenFeedback, Reply, StreamedText, Update
from handlers.router import Router
from handlers.turn import Turn
from tests.fakes.platform import FakePlatform
from tests.pipeline import Pipeline
from tests.rows import small_chain


class Slow:
    """Writes its answer bit by bit."""

    intent: ClassVar[Intent] = Intent("faq", re.compile("慢慢说"))

    async def __call__(self, turn: Turn) -> Reply:
        async def chunks() -> AsyncIterator[str]:
            for word in ("今天", "上海", "有雨"):
                yield word

        return Reply("faq", (StreamedText(chunks()),))


class Chat(Pipeline):
    """One clerk's chat."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.platform = FakePlatform()
        router = Router((Slow(), MediaHandler(database)))
        super().__init__(database, {(1, "wecom"): self.platform}, router, folder)
        self.count = 0

    async def send(self, update: Update) -> list[str]:
        """Deliver an update and return what is answered."""
        self.count += 1
        before = len(self.platform.sent)
        await self.receive(replace(update, dedupe_key=update.dedupe_key or f"m{self.count}"))
        await self.run()
        return [text for _, text in self.platform.sent[before:]]

    def update(self, kind: str, **fields: object) -> Update:
        address = Address("wecom", "user:clerk1", "clerk1")
        return Update("demo", "", kind, address, self.now, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def chat(database: Database, tmp_path: Path) -> Chat:
    await small_chain(database)
    return Chat(database, tmp_path)


@pytest.mark.parametrize("kind", ["image", "voice", "video", "file", "link"])
async def test_what_cannot_be_read_is_answered_with_what_to_do(chat: Chat, kind: str) -> None:
    sent = Attachment(kind, "标题")  # type: ignore[arg-type]
    assert await chat.send(chat.update("media", attachments=(sent,))) == [SEEN[kind]]
    assert f"[{kind}]" in await chat.rows(select(Message.text))


async def test_a_position_is_answered_with_the_nearest_store(chat: Chat) -> None:
    here = Attachment("location", "人民广场", latitude=31.23, longitude=121.47)
    (answer,) = await chat.send(chat.update("media", attachments=(here,)))
    assert answer.startswith("收到位置「人民广场」。离它最近的门店是上海一店，约 7.")


def test_the_way_from_shanghai_to_beijing() -> None:
    assert kilometres(31.2304, 121.4737, 39.9042, 116.4074) == pytest.approx(1067, abs=3)


async def test_a_question_that_only_points_is_the_quoted_one(chat: Chat) -> None:
    assert await chat.send(chat.update("text", text="这个？", quote="慢慢说")) == ["今天上海有雨"]
    assert await chat.send(chat.update("text", text="慢慢说", quote="别的")) == ["今天上海有雨"]


async def test_a_text_is_shown_while_it_is_written_and_then_sent_once(chat: Chat) -> None:
    chat.platform.shows_live = True
    assert await chat.send(chat.update("text", text="慢慢说")) == ["今天上海有雨"]
    ((key, live),) = chat.platform.lives.items()
    assert live.shown == ["今天", "今天上海", "今天上海有雨"]
    assert [key] == chat.platform.keys
    (row,) = await chat.rows(select(Outbox))
    assert row.message["streamed"] is True


async def test_a_thumb_is_kept_with_the_answer_it_is_about(chat: Chat) -> None:
    await chat.send(replace(chat.update("text", text="慢慢说"), dedupe_key="q1"))
    thumb = GivenFeedback("q1", "bad", "与问题无关")
    for _ in range(2):
        assert await chat.send(replace(chat.update("feedback", feedback=thumb), dedupe_key="f1")) == []
    (row,) = await chat.rows(select(Feedback))
    (answer,) = await chat.rows(select(Message.id).where(Message.direction == "out"))
    assert (row.verdict, row.reason, row.staff_id, row.message_id) == ("bad", "与问题无关", 1, answer)
