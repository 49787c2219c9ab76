"""How often text is pushed while it is written."""

from __future__ import annotations

from bot.platforms.aibot.live_push import PUSHES, Pace


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_is_pushed_to_once_a_second() -> None:
    clock = Seconds()
    pace = Pace(clock)
    assert [pace.allows("a"), pace.allows("a"), pace.allows("b")] == [True, False, True]
    clock.now += 1.0
    assert pace.allows("a")


def test_half_of_what_wecom_takes_in_a_minute_is_left_for_answers() -> None:
    clock = Seconds()
    pace = Pace(clock)
    allowed = 0
    for _ in range(60):
        allowed += pace.allows("a")
        clock.now += 1.0
    assert allowed == PUSHES
    assert pace.allows("a")


def test_conversations_that_have_gone_quiet_are_forgotten() -> None:
    clock = Seconds()
    pace = Pace(clock)
    for number in range(3000):
        pace.allows(str(number))
        clock.now += 1.0
    assert pace.remembered < 1200
