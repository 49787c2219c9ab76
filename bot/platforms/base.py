"""What a platform is to the rest of the program: it renders neutral parts and sends the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from handlers.messages import Address, Card, Part


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the platform said: its message id, people it refused, and the handle a later card update needs."""

    message_id: str = ""
    refused: tuple[str, ...] = ()
    handle: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardRef:
    """Which card a payload belongs to: its public id and what an update needs (`handle`)."""

    public_id: str
    handle: dict[str, Any] = field(default_factory=dict)


class SendError(Exception):
    """A send that did not happen; `reason` is Chinese and shown to the administrator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(SendError):
    """The platform will refuse this again: do not repeat."""


class TryLater(SendError):
    """The platform did not take it and may later; `after` is the wait in seconds."""

    def __init__(self, reason: str, after: float = 5.0) -> None:
        super().__init__(reason)
        self.after = after


class Unknown(SendError):
    """The request went out and no answer came back: it may have arrived. A person decides."""


class Platform(Protocol):
    """One tenant's account on one platform."""

    name: str

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the payloads that show this part, in order; pure. A long text becomes several."""
        ...

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Send one payload; raise `Refused`, `TryLater` or `Unknown` when it did not arrive for certain.

        `key` names the delivery: a platform that drops doubles by content needs it to tell a retry from the same
        answer given twice.
        """
        ...

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Make the card that was sent show `content`; `Refused` when its handle is spent or expired."""
        ...

    def may_repeat(self, part: Part) -> bool:
        """Whether sending this again after an interrupted send cannot show it twice."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...
