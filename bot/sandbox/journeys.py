"""What left the phones lately, as it travelled: kept in memory for whoever wants to see it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

REMEMBERED = 200
# The update is committed right after it arrives, so the two moments lie this close together.
NEAR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Journey:
    """One message or press on its way from a phone to our server."""

    platform: str
    user_id: str
    left_at: datetime
    wire: dict[str, Any]


class Journeys:
    """The last journeys of all phones."""

    def __init__(self) -> None:
        self._kept: deque[Journey] = deque(maxlen=REMEMBERED)

    def note(self, journey: Journey) -> None:
        """Remember a journey."""
        self._kept.append(journey)

    def nearest(self, platform: str, user_id: str, moment: datetime) -> Journey | None:
        """Return the journey that led to an update received at this moment; None after a restart."""
        mine = [one for one in self._kept if (one.platform, one.user_id) == (platform, user_id)]
        best = min(mine, key=lambda one: abs(one.left_at - moment), default=None)
        return best if best and abs(best.left_at - moment) < NEAR else None
