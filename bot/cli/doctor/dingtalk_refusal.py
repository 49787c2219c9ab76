"""What a refusal of DingTalk means for whoever set the app up, and on which page it is mended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

from bot.cli.doctor.finding import Finding, Subject
from bot.platforms.base import TryLater
from bot.platforms.dingtalk.errors import CREDENTIAL_CODES, PERMISSION_CODES, QUOTA_CODES, Answer, refusal

CONSOLE = "open-dev.dingtalk.com → 应用开发 → 企业内部应用 → 点开这个应用"
# For where the console has been named already.
RELEASE = "版本管理与发布 → 创建新版本 → 发布"
PUBLISH = f"{CONSOLE} → {RELEASE}"
CREDENTIALS, PERMISSION, ROBOT, QUOTA, APP = "凭据", "权限", "机器人", "本月额度", "应用"
ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
# What the API's own name of a permission is called in the console (权限管理).
SCOPES: Mapping[str, str] = {
    "qyapi_robot_sendmsg": "企业内机器人发送消息",
    "Card.Instance.Write": "互动卡片实例写权限",
    "Card.Streaming.Write": "AI 卡片流式更新权限",
    "qyapi_get_member": "成员信息读权限",
    "qyapi_get_member_by_mobile": "根据手机号获取成员基本信息权限",
}
WRONG_ROBOT = frozenset(
    {"invalidParameter.robotCode.notExsit", "chatbotId.notAllow.sendOTO"}
)  # spelled as they spell it
IP = "IpNotInWhiteList"


def refused(subject: Subject, answer: Answer, scope: str) -> Finding:
    """Return the finding of a call that DingTalk refused; `scope` is the permission the call needs."""
    code, last = answer.code, answer.code.rpartition(".")[2]
    if found := _known(subject, answer, last, scope):
        return found
    if isinstance(refusal(answer, repeatable=True), TryLater):
        fix = "过几分钟再查；一直这样就看是不是有别的程序也在用这个应用"
        return subject.warn("dingtalk.busy", APP, f"钉钉现在忙或在限流（{code or answer.status}）", fix)
    fix = "到 open.dingtalk.com 搜这个错误码；拿不准就把这一行发给开发者"
    return subject.fail("dingtalk.refused", APP, f"钉钉不接受（{code or answer.status}）", fix)


def _known(subject: Subject, answer: Answer, last: str, scope: str) -> Finding | None:
    if last in CREDENTIAL_CODES:
        return _credentials(subject)
    if last in PERMISSION_CODES:
        return permission(subject, _scopes(answer) or [scope])
    if last == IP:
        return _ip(subject, answer)
    if last in QUOTA_CODES:
        return quota_spent(subject)
    return _robot(subject, answer.code) if answer.code in WRONG_ROBOT else None


def _credentials(subject: Subject) -> Finding:
    keys = f"{subject.key('dingtalk', 'client_id')} 和 client_secret"
    fix = f"{CONSOLE} → 凭证与基础信息，把 Client ID 和 Client Secret 抄到 {keys}"
    return subject.fail("dingtalk.credentials", CREDENTIALS, "Client ID 或 Client Secret 不对", fix)


def permission(subject: Subject, scopes: list[str]) -> Finding:
    """Return that permissions are missing, by the names of the console."""
    names = "、".join(f"{SCOPES[scope]}（{scope}）" if scope in SCOPES else scope for scope in scopes)
    fix = f"{CONSOLE} → 权限管理，搜索并申请：{names}；然后 {RELEASE}"
    return subject.fail(f"dingtalk.permission.{scopes[0]}", PERMISSION, f"缺少 {names}", fix)


def _scopes(answer: Answer) -> list[str]:
    """Return the permissions DingTalk names; the old API names none."""
    detail = (answer.body or {}).get("accessdenieddetail")
    scopes = detail.get("requiredScopes") if isinstance(detail, Mapping) else None
    return [str(scope) for scope in scopes] if isinstance(scopes, list) else []


def _ip(subject: Subject, answer: Answer) -> Finding:
    body = answer.body or {}
    seen = ADDRESS.search(f"{body.get('message', '')} {body.get('errmsg', '')}")
    address = seen[0] if seen and _is_address(seen[0]) else "这台服务器的出口 IP"
    fix = f"{CONSOLE} → 安全设置 → 服务器出口 IP，加上 {address}（或清空，不限制 IP）"
    return subject.fail("dingtalk.ip_whitelist", "IP 白名单", f"钉钉不让 {address} 调用", fix)


def quota_spent(subject: Subject) -> Finding:
    """Return that the month's calls are used up."""
    fix = "下个月 1 号恢复；急用就请企业管理员在钉钉管理后台买增购包。这期间，收到消息后 90 分钟内的文字回答仍然能发"
    return subject.fail("dingtalk.quota", QUOTA, "钉钉说本月的调用次数用完了", fix)


def _robot(subject: Subject, code: str) -> Finding:
    key = subject.key("dingtalk", "robot_code")
    where = f"{CONSOLE} → 机器人（没有就在「添加应用能力」里添加）"
    fix = f"{where}，把 RobotCode 抄到 {key}（一般和 Client ID 一样），再 {RELEASE}"
    said = "没有这个机器人" if code.endswith("notExsit") else "这个机器人不能发单聊消息"
    return subject.fail("dingtalk.robot_code", ROBOT, said, fix)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
