"""From a turn to its handler: rules first, the model only when they are unsure and a key is set.

press → the handler that lists its action
a picture, a position, a file without words → the handler for media
/帮助 or another command → its handler
the number of a suggestion → that suggestion's text
one handler's strong words → that handler
several → the model chooses among them, else the first of the list
none → weak words, the model, and at last three suggestions that work
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from handlers.intents import Handler, HandlerError, Intent
from handlers.messages import Reply
from handlers.turn import Turn

NOT_UNDERSTOOD = "这句我没看懂。可以这样问我（回复数字就行）："
GONE = "这张卡片已经失效了，请重新发起一次。"
EMPTY = "您好，我在。发「/帮助」看看我能做什么。"
SUGGESTIONS = 3
# Chinese keyboards type ＧＭＶ and ７天 in full width; punctuation stays as it is.
_WIDE = (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
HALF_WIDTH = {code: code - 0xFEE0 for code in _WIDE}
COMMAND = "/"


class Classifier(Protocol):
    """Chooses an intent for a text, or None when it cannot say."""

    async def classify(self, text: str, intents: Sequence[str]) -> str | None:
        """Return one of `intents`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Router:
    """The list of handlers in the order in which they are asked."""

    handlers: Sequence[Handler]
    classifier: Classifier | None = None

    async def answer(self, turn: Turn) -> Reply:
        """Return the answer; what a handler says cannot be done comes back as its sentence."""
        turn = _resolve_suggestion(replace(turn, text=turn.text.translate(HALF_WIDTH)))
        with turn.trace.step("route"):
            handler = await self._route(turn)
        if handler is None:
            return self._suggest(turn)
        try:
            reply = await handler(turn)
        except HandlerError as error:
            reply = Reply.say(error.intent, str(error))
        return replace(reply, private=reply.private or handler.intent.private)

    async def _route(self, turn: Turn) -> Handler | None:
        if turn.pressed is not None:
            return self._by_action(turn)
        text = turn.text.strip()
        if turn.attachments and not text:
            return next((h for h in self.handlers if h.intent.media), None)
        strong = [h for h in self.handlers if _claims(h.intent, text, turn)]
        if len(strong) == 1 or (strong and self.classifier is None):
            return self._routed(turn, "rule", strong[0])
        candidates = strong or [h for h in self.handlers if h.intent.example]
        if self.classifier is not None and text and not text.startswith(COMMAND):
            chosen = await self.classifier.classify(text, [h.intent.name for h in candidates])
            named = next((h for h in candidates if h.intent.name == chosen), None)
            if named is not None:
                return self._routed(turn, "model", named)
        weak = [h for h in self.handlers if h.intent.weak is not None and h.intent.weak.search(text)]
        return self._routed(turn, "rule", (strong or weak)[0]) if strong or weak else None

    def _by_action(self, turn: Turn) -> Handler | None:
        action = turn.pressed.action if turn.pressed else ""
        found = next((h for h in self.handlers if action in h.intent.actions), None)
        return self._routed(turn, "action", found) if found else None

    @staticmethod
    def _routed(turn: Turn, lane: str, handler: Handler) -> Handler:
        turn.trace.route = {"lane": lane, "intent": handler.intent.name}
        return handler

    def _suggest(self, turn: Turn) -> Reply:
        turn.trace.route = {"lane": "none", "intent": "ask_back"}
        if turn.pressed is not None:
            return Reply.say("ask_back", GONE)
        if not turn.text.strip():
            return Reply.say("help", EMPTY)
        examples = self.examples(turn)[:SUGGESTIONS]
        lines = [f"{number}. {example}" for number, example in enumerate(examples, 1)]
        return replace(Reply.say("ask_back", "\n".join([NOT_UNDERSTOOD, *lines])), remember={"suggestions": examples})

    def examples(self, turn: Turn) -> list[str]:
        """Return one sentence that works for each handler this person may use."""
        return [
            h.intent.example
            for h in self.handlers
            if h.intent.example and (not h.intent.roles or turn.person.role in h.intent.roles)
        ]


def _resolve_suggestion(turn: Turn) -> Turn:
    """Turn "2" into the second suggestion made just before."""
    suggestions = turn.context.get("suggestions")
    pick = turn.text.strip()
    if turn.pressed is None and suggestions and pick in {"1", "2", "3"} and int(pick) <= len(suggestions):
        return replace(turn, text=suggestions[int(pick) - 1])
    return turn


def _claims(intent: Intent, text: str, turn: Turn) -> bool:
    if intent.strong is None or not intent.strong.search(text):
        return False
    return intent.needs_context is None or intent.needs_context in turn.context
