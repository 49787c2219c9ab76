"""Whether our clock is right, by the clocks of those we asked anyway.

A callback signed longer ago than `freshness_seconds` is turned away, and DingTalk's signatures hold for an hour: a
clock that is wrong makes the bot deaf while everything else looks well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.web import ClockSample
from bot.cli.doctor.when import length
from bot.config import Settings

CODE, WHAT = "machine.clock", "时钟"
WORTH_SAYING = timedelta(seconds=30)
TOO_FAR = timedelta(minutes=5)
FIX = "校准这台机器的时间：Linux 用 sudo timedatectl set-ntp true，Windows 在 设置→时间和语言 里点「立即同步」"
FIX_OTHER = "这台机器和平台一致，是{whose}那台机器的时间不对：在那台机器上打开自动校时"
DEAF = "，平台的回调会被当作过期拒收"


def check_clock(samples: Sequence[ClockSample], database: ClockSample | None, settings: Settings) -> list[Finding]:
    """Return how far our clock is off; where platforms say that it is right, the database's is wrong."""
    if not samples and database is None:
        return [HERE.ok(CODE, WHAT, "没有可以对照的（没有连上任何平台）")]
    worst = _worst(samples) if samples else database
    found = [] if worst is None else [_ours(worst, _limit(settings))]
    if samples and database is not None and abs(database.ahead) > WORTH_SAYING and found[0].state == "ok":
        found.append(HERE.warn("database.clock", "数据库的时钟", _words(database), FIX_OTHER.format(whose="数据库")))
    return found


def _ours(worst: ClockSample, limit: timedelta) -> Finding:
    if abs(worst.ahead) <= WORTH_SAYING:
        return HERE.ok(CODE, WHAT, f"和{worst.whose}一致")
    if abs(worst.ahead) <= limit:
        return HERE.warn(CODE, WHAT, _words(worst), FIX)
    return HERE.fail(CODE, WHAT, _words(worst) + DEAF, FIX)


def _words(sample: ClockSample) -> str:
    side = "快" if sample.ahead > timedelta() else "慢"
    return f"比{sample.whose}{side} {length(sample.ahead)}"


def _worst(samples: Sequence[ClockSample]) -> ClockSample:
    """Return the largest of the smallest per platform: a slow answer makes a clock look ahead, never right."""
    least: dict[str, ClockSample] = {}
    for sample in samples:
        known = least.setdefault(sample.whose, sample)
        if abs(sample.ahead) < abs(known.ahead):
            least[sample.whose] = sample
    return max(least.values(), key=lambda sample: abs(sample.ahead))


def _limit(settings: Settings) -> timedelta:
    """Return from when on callbacks are turned away."""
    accounts = [one for tenant in settings.tenants.values() for one in (tenant.wecom, tenant.aibot) if one is not None]
    return min([TOO_FAR, *(timedelta(seconds=one.freshness_seconds) for one in accounts)])
