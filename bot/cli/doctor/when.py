"""Moments and lengths as a person says them."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.usage import ZONE

MINUTE, HOUR, DAY = 60, 3600, 86_400


def moment(at: datetime) -> str:
    """Return 「11-21 10:30」, by China's clock."""
    return f"{at.astimezone(ZONE):%m-%d %H:%M}"


def length(span: timedelta) -> str:
    """Return 「3 天」, 「2 小时」, 「5 分钟」 or 「12 秒」: the largest unit that fits."""
    seconds = abs(span.total_seconds())
    for unit, name in ((DAY, "天"), (HOUR, "小时"), (MINUTE, "分钟")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} 秒"


def ago(at: datetime, now: datetime) -> str:
    """Return 「11-21 10:30，5 分钟前」; what lies ahead of our clock happened just now."""
    return f"{moment(at)}，{length(max(now - at, timedelta()))}前"
