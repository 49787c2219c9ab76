"""When a send that failed is tried again, by the class of its error. A small value, tested as a table.

RateLimited   when the platform or our own count says; costs no attempt, ends with the message's own time
TryLater      after the pause it names, doubled with each attempt, at most five minutes
Unknown       never: it may have arrived
Refused       never: it would be refused again
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.platforms.base import RateLimited, SendError, TryLater, Unknown

LONGEST_PAUSE = timedelta(minutes=5)
# With pauses of five seconds doubled up to five minutes: about half an hour of a platform that is down.
MAX_ATTEMPTS = 12
GAVE_UP = "多次重试仍未成功：{reason}"


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `pause`; `free` when it costs no attempt."""

    pause: timedelta
    free: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `status` is how the row ends."""

    status: str
    reason: str


def after(error: SendError, attempts: int) -> Again | GiveUp:
    """Return what becomes of a row whose send failed with this error, at this attempt."""
    if isinstance(error, Unknown):
        return GiveUp("unknown", error.reason)
    if isinstance(error, RateLimited):
        return Again(min(timedelta(seconds=error.after), LONGEST_PAUSE), free=True)
    if not isinstance(error, TryLater):
        return GiveUp("failed", error.reason)
    if attempts >= MAX_ATTEMPTS:
        return GiveUp("failed", GAVE_UP.format(reason=error.reason))
    return Again(min(timedelta(seconds=error.after) * 2 ** (attempts - 1), LONGEST_PAUSE))
