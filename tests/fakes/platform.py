"""A platform that keeps what it was told to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bot.platforms.base import CardRef, LiveText, PlainChannel, Rate, Receipt, Refused, SendError
from handlers.messages import Address, Card, Part
from handlers.plain import as_text


@dataclass
class FakeLive:
    """Keeps every state of a text that was shown."""

    shown: list[str] = field(default_factory=list)

    async def show(self, text: str) -> None:
        self.shown.append(text)


@dataclass
class FakePlatform(PlainChannel):
    """Shows parts as text, in `pieces` payloads; `errors` are raised in order (None lets one send pass)."""

    name: str = "wecom"
    sent: list[tuple[str, str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    updated: list[tuple[str, str]] = field(default_factory=list)
    errors: list[SendError | None] = field(default_factory=list)
    limits: tuple[Rate, ...] = ()
    pieces: int = 1
    spent: bool = False  # cards refuse to change
    repeatable: bool = True
    reaches_alone: bool = True
    is_ready: bool = True
    hold: timedelta = timedelta(0)
    lives: dict[str, FakeLive] = field(default_factory=dict)
    shows_live: bool = False

    @property
    def update_hold(self) -> timedelta:
        return self.hold

    @property
    def ready(self) -> bool:
        return self.is_ready

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
        self.places.append(address.conversation)
        self.keys.append(key)
        return Receipt("id", handle={"response_code": "rc"} if card else {})

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        if self.spent:
            raise Refused("卡片已过期")
        self.updated.append((card.public_id, as_text([content])))
        return Receipt("id")

    def direct(self, address: Address) -> Address | None:
        if not self.reaches_alone:
            return None
        return replace(address, conversation=f"user:{address.user_id}", group=False)

    def live(self, address: Address, key: str) -> LiveText | None:
        return self.lives.setdefault(key, FakeLive()) if self.shows_live else None

    def rates(self, address: Address) -> tuple[Rate, ...]:
        return tuple(one if one.shared else replace(one, name=f"{one.name}:{address.user_id}") for one in self.limits)

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        return self.repeatable

    async def close(self) -> None:
        return None


@dataclass
class FakeBatching(FakePlatform):
    """A platform with a call for several people; `refuses` names those it does not reach, and why."""

    batch: int = 3
    calls: list[list[str]] = field(default_factory=list)
    refuses: dict[str, SendError] = field(default_factory=dict)

    async def send_many(
        self, addresses: Sequence[Address], payload: dict[str, Any], *, key: str = ""
    ) -> Mapping[str, Receipt | SendError]:
        self.calls.append([address.user_id for address in addresses])
        return {one.user_id: self.refuses.get(one.user_id, Receipt("id")) for one in addresses}
