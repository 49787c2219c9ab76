"""How long the holder of the socket waits before it tries again."""

from __future__ import annotations

import pytest

from bot.platforms.aibot.holder import HolderTiming


@pytest.mark.parametrize(
    ("failures", "refused", "seconds"),
    [
        (0, False, 1.0),
        (1, False, 1.0),
        (2, False, 2.0),
        (6, False, 30.0),
        (1000, False, 30.0),
        (1, True, 60.0),
        (9, True, 600.0),
    ],
)
def test_pauses_double_up_to_the_longest(failures: int, refused: bool, seconds: float) -> None:
    timing = HolderTiming()
    assert timing.pause(failures, 1.0, refused=refused) == seconds
    assert timing.pause(failures, 0.0, refused=refused) == seconds / 2


def test_a_lease_can_miss_a_renewal() -> None:
    assert HolderTiming().renew * 2 < HolderTiming().lease
