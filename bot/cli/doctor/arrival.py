"""When a channel was last reached by its platform, and why somebody was last turned away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.cli.doctor.facts import Reached
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.when import ago
from bot.platforms.wecom.crypto import Reason

WHAT = "最近收到的消息"
BOT = "管理后台 → 安全与管理 → 管理工具 → 智能机器人 → 点开这个机器人"
IN_SANDBOX = "打开 /sandbox，在手机上说一句话"
# A shop that is open says something within a week.
QUIET = timedelta(days=7)
# Anybody who finds the address can cause these; a platform never does.
PASSERS_BY = frozenset({Reason.MISSING.value, Reason.TOO_LARGE.value, "no timestamp"})

CLOCK = "校准这台机器的时间（见上面的「时钟」）"
WECOM_REASONS: Mapping[str, tuple[str, str, str]] = {
    Reason.SIGNATURE.value: ("token", "签名不对", "把控制台的 Token 抄到 {key_token}，重启 daogou serve"),
    Reason.PADDING.value: (
        "aes_key",
        "解不开",
        "把控制台的 EncodingAESKey（43 个字符）抄到 {key_aes_key}，重启 daogou serve",
    ),
    Reason.RECEIVE_ID.value: (
        "receive_id",
        "不是发给这家企业的",
        "核对 {key_corp_id}；回调地址不要填到别的企业、别的应用里",
    ),
    Reason.STALE.value: ("stale", "时间差太多", CLOCK),
}
DINGTALK_REASONS: Mapping[str, tuple[str, str, str]] = {
    "wrong signature": (
        "signature",
        "签名不对",
        "把 凭证与基础信息 里的 Client Secret 抄到 {key_client_secret}，重启 daogou serve",
    ),
    "too old": ("stale", "时间差太多", CLOCK),
}
SOCKET_REASONS: Mapping[str, tuple[str, str, str]] = {
    "subscription_refused": (
        "credentials",
        "企业微信不认 bot_id 或 secret",
        f"{BOT}，连接方式 选「使用长连接」，把 Bot ID 和 Secret（丢了要重新获取）"
        "抄到 {key_bot_id} 和 secret，重启 daogou serve",
    ),
    "kicked": (
        "kicked",
        "同一个机器人在别处也连着，把我们挤下线了",
        "停掉用同一个 bot_id 的其他程序（测试环境、旧服务器）；几分钟后会自动重连",
    ),
}
UNREADABLE = ("unreadable", "内容读不懂（{reason}）", "在日志里搜 rejected，连同这一行报给开发者")


def check_arrival(
    subject: Subject,
    reached: Reached,
    now: datetime,
    reasons: Mapping[str, tuple[str, str, str]],
    keys: Mapping[str, str],
    how: str,
    what: str = WHAT,
) -> Finding:
    """Return when the platform last got in.

    `reasons` says what a refusal means and how to mend it, with `keys` in it; `how` is what to do when nothing ever
    came. A refusal that is older than what got in has been mended.
    """
    code = f"{subject.channel}.arrival"
    if _is_refused(reached):
        cause, words, fix = _reason(reached.reason, reasons)
        when = ago(reached.rejected_at or now, now)
        detail = f"最近一次被我们拒收：{words.format(reason=reached.reason)}（{when}）"
        return subject.fail(f"{code}.{cause}", what, detail, fix.format(**keys))
    if reached.accepted_at is None:
        return subject.warn(f"{code}.never", what, "还没有收到过", how)
    when = ago(reached.accepted_at, now)
    if now - reached.accepted_at > QUIET:
        fix = f"给机器人说一句话再查；没有反应的话：{how}"
        return subject.warn(f"{code}.quiet", what, f"{when}，之后没有了", fix)
    return subject.ok(code, what, when)


def _is_refused(reached: Reached) -> bool:
    if reached.rejected_at is None or reached.reason in PASSERS_BY:
        return False
    return reached.accepted_at is None or reached.rejected_at > reached.accepted_at


def _reason(reason: str, reasons: Mapping[str, tuple[str, str, str]]) -> tuple[str, str, str]:
    """Return what a refusal means; what follows a colon is detail."""
    return reasons.get(reason, reasons.get(reason.partition(":")[0], UNREADABLE))
