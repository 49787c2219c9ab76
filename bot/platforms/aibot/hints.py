"""What an address remembers of the message it answers; nobody outside this package reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from handlers.messages import Address

# A response_url is good for this long (doc 101138), less what the way there may take.
RESPONSE_URL_LIFE = timedelta(minutes=59)
# So long after a message it may be answered through the socket (doc 101463), likewise.
ANSWER_LIFE = timedelta(hours=23, minutes=55)


@dataclass(frozen=True, slots=True)
class Hints:
    """How one message or press can be answered.

    Every field is always written, so that the hints of a press leave none of those of the message that brought the
    card. `response_url` is sealed.
    """

    asked_at: float = 0.0  # seconds since 1970, when it was received
    source: str = ""  # the dedupe key of what is answered
    stream: str = ""  # the stream under it, for a message
    response_url: str = ""
    request: str = ""  # the socket's req_id of a message
    press_request: str = ""  # the socket's req_id of a press
    chat: str = ""  # chatid or userid as WeCom spells it

    @classmethod
    def of(cls, address: Address) -> Hints:
        """Return the hints of an address; of one that answers nothing, empty ones."""
        known = {name: address.hints[name] for name in cls.__slots__ if name in address.hints}
        return cls(**known)

    def packed(self) -> Mapping[str, Any]:
        """Return them as the address carries them."""
        return asdict(self)

    @property
    def asked(self) -> datetime:
        """When the message was received."""
        return datetime.fromtimestamp(self.asked_at, UTC)
