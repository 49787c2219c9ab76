"""What a platform is to the rest of the program: it renders neutral parts and sends the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

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


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` sends in any `seconds`, over all replicas; `name` tells one account, person or chat apart.

    `shared` marks the rate of a whole account: pushes leave a part of it to direct replies.
    """

    name: str
    count: int
    seconds: int
    shared: bool = False


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


class RateLimited(TryLater):
    """Too much at once, by our own count or the platform's: waiting is all it needs, so it costs no attempt."""


class Unknown(SendError):
    """The request went out and no answer came back: it may have arrived. A person decides."""


class LiveText(Protocol):
    """A text that is shown while it is being written."""

    async def show(self, text: str) -> None:
        """Show the whole text so far. A platform that is not quick enough skips some; nothing is raised."""
        ...


class Platform(Protocol):
    """One tenant's account on one channel."""

    name: str

    @property
    def update_hold(self) -> timedelta:
        """How long the update of a pressed card is left to whoever answers the press itself."""
        ...

    @property
    def ready(self) -> bool:
        """Whether this process can send now; False leaves the rows to the process that can."""
        ...

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the rates that one send to this address counts against."""
        ...

    def direct(self, address: Address) -> Address | None:
        """Return where the person behind a group message is reached alone; None where nothing reaches them."""
        ...

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

    def live(self, address: Address, key: str) -> LiveText | None:
        """Return a text that can be shown while it is written and is finished by the send of `key`, or None."""
        ...

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Whether sending this again after an interrupted send of `key` cannot show it twice."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A platform that takes one message for several people in one call."""

    # How many people one call reaches.
    batch: int

    async def send_many(
        self, addresses: Sequence[Address], payload: dict[str, Any], *, key: str = ""
    ) -> Mapping[str, Receipt | SendError]:
        """Send one payload to at most `batch` people; return what became of it by user id."""
        ...


@runtime_checkable
class Sweeping(Protocol):
    """A platform with something to tidy up now and then."""

    name: str

    async def sweep(self) -> None:
        """Look for what was left undone, by this process or one that died; called every few seconds."""
        ...


class PlainChannel:
    """What most channels share: always ready, answers its own presses, shows nothing while it is written."""

    @property
    def update_hold(self) -> timedelta:
        """How long the update of a pressed card is left to whoever answers the press itself: not at all."""
        return timedelta(0)

    @property
    def ready(self) -> bool:
        """Whether this process can send now."""
        return True

    def direct(self, address: Address) -> Address | None:
        """Return the address itself where it is one person's."""
        return None if address.group else address

    def live(self, address: Address, key: str) -> LiveText | None:
        """Return None: nothing is shown before it is whole."""
        return None
