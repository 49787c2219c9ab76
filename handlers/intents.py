"""The shape of a handler and the rule words that lead to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from handlers.messages import Reply
from handlers.turn import Turn

INTENTS = (
    "report",
    "diagnose",
    "plan",
    "execute",
    "birthday",
    "weather",
    "holiday",
    "copy",
    "recommend",
    "tasks",
    "faq",
    "help",
    "refuse",
    "ask_back",
)


@dataclass(frozen=True, slots=True)
class Intent:
    """A name of `INTENTS`, the pattern that claims a text for it, and the card actions it answers.

    `strong` alone decides; `weak` decides only when no other intent's strong pattern matches. What a `private`
    intent answers is about a member or one person's own work: asked for in a group, it goes to the asker alone.
    """

    name: str
    strong: re.Pattern[str] | None = None
    weak: re.Pattern[str] | None = None
    actions: frozenset[str] = field(default_factory=frozenset)
    needs_context: str | None = None  # matches only when the conversation remembers this key
    example: str = ""  # a sentence that works, shown as a suggestion
    roles: frozenset[str] = field(default_factory=frozenset)  # who is shown the example; empty for everybody
    media: bool = False  # answers what is sent without words
    private: bool = False


@runtime_checkable
class Handler(Protocol):
    """Answers one intent. What matches stands beside what answers."""

    @property
    def intent(self) -> Intent:
        """What this handler is for."""
        ...

    async def __call__(self, turn: Turn) -> Reply:
        """Return the answer; a `HandlerError` becomes its Chinese sentence."""
        ...


class HandlerError(Exception):
    """Something the person can act on; `str()` is the Chinese sentence they are shown."""

    def __init__(self, message: str, intent: str = "ask_back") -> None:
        super().__init__(message)
        self.intent = intent
