"""How the last message to a group ended: a webhook cannot be tried without everybody in the group reading it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.cli.doctor.facts import Sent
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.when import ago

# A part of what is noted of a send that failed, then the end of the code and what mends it.
Cure = tuple[str, str]
LOST = ("unknown", "到群里看一眼有没有收到；没有就 daogou outbox list --status unknown 后 retry")


def check_outcome(subject: Subject, name: str, sent: Sent | None, now: datetime, cures: Mapping[str, Cure]) -> Finding:
    """Return how it ended; `cures` are looked for in the reason that was noted."""
    code, what = f"{subject.channel}.last_send", f"「{name}」最近一条"
    if sent is None:
        return subject.ok(code, what, "还没有发过（检查不会往群里发消息）")
    if sent.status == "sent":
        return subject.ok(code, what, f"送达，{ago(sent.at, now)}")
    cause, fix = LOST if sent.status == "unknown" else _cure(sent.error, cures)
    detail = f"{'不知道有没有送达' if sent.status == 'unknown' else '没有发出去'}：{sent.error}（{ago(sent.at, now)}）"
    return subject.fail(f"{code}.{cause}", what, detail, fix)


def _cure(error: str, cures: Mapping[str, Cure]) -> Cure:
    return next((cure for part, cure in cures.items() if part in error), ("failed", "修好后 daogou outbox retry 编号"))
