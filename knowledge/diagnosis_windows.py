"""Which days a "why" is about, and which earlier days they are set against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from knowledge.periods import Period, default_period, last_days

MOST_WINDOWS = 8
WEEK_READ_AS = "「{label}」还没过完，按最近 7 个完整天和再前 7 天比"
CUT_TO_YESTERDAY = "「{label}」还没过完，算到昨天为止"


@dataclass(frozen=True, slots=True)
class Windows:
    """The days asked about, the equally long ones before, and how the question was read."""

    target: Period
    before: Period
    note: str = ""

    def history(self, first_day: date) -> tuple[Period, ...]:
        """Return up to eight windows before the target that lie wholly within the data, newest first."""
        return tuple(_earlier(self.target, first_day))


def windows_of(period: Period | None, today: date) -> Windows:
    """Return complete windows: an unfinished week is read as the last seven days, a longer period ends yesterday."""
    target, note = _complete(period, today)
    return Windows(target, _step_back(target), note)


def _complete(period: Period | None, today: date) -> tuple[Period, str]:
    if period is None:
        return default_period(today), ""
    if not period.unfinished:
        return period, ""
    if not period.shift_months or period.first == today:
        return last_days(today, 7), WEEK_READ_AS.format(label=period.label)
    return replace(period, after=today, unfinished=False), CUT_TO_YESTERDAY.format(label=period.label)


def _step_back(period: Period) -> Period:
    """Return the window before: same weekdays for days and weeks, same part of the month for months."""
    if period.shift_months:
        return period.previous()
    weeks = -(-period.days // 7)
    back = timedelta(days=7 * weeks)
    return replace(period.previous(), first=period.first - back, after=period.after - back)


def _earlier(period: Period, first_day: date) -> Iterator[Period]:
    window = _step_back(period)
    for _ in range(MOST_WINDOWS):
        if window.first < first_day:
            return
        yield window
        window = _step_back(window)
