"""A platform that keeps what it was told to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused, SendError
from handlers.messages import Address, Card, Part
from handlers.plain import as_text


@dataclass
class FakePlatform(PlainChannel):
    """Shows parts as text, in `pieces` payloads; `errors` are raised in order (None lets one send pass)."""

    name: str = "wecom"
    sent: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    updated: list[tuple[str, str]] = field(default_factory=list)
    errors: list[SendError | None] = field(default_factory=list)
    pieces: int = 1
    spent: bool = False  # cards refuse to change
    repeatable: bool = True

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        payload = {"text": as_text([part]), "card": card.public_id if card else None}
        return [payload | {"piece": number} for number in range(self.pieces)]

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.sent.append((address.user_id, payload["text"]))
        self.keys.append(key)
        return Receipt("id", handle={"response_code": "rc"} if card else {})

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        if self.spent:
            raise Refused("卡片已过期")
        self.updated.append((card.public_id, as_text([content])))
        return Receipt("id")

    def rates(self, address: Address) -> tuple[Rate, ...]:
        return ()

    def may_repeat(self, part: Part) -> bool:
        return self.repeatable

    async def close(self) -> None:
        return None
