"""The custom robots of DingTalk groups: the shape of what they are configured with, and how the last message ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.group_outcome import Cure, check_outcome
from bot.cli.doctor.visit import Visit
from bot.config import DingtalkGroupSettings

CHANNEL = "dingtalk_group"
TOKEN = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
ADDRESS = re.compile(r"https?:|access_token=|[\s/?&]")
ROBOT = "群设置 → 机器人 → 点开这个自定义机器人"
SIGN = f"{ROBOT} → 安全设置 勾选「加签」，把 SEC 开头的密钥抄下来"
CURES: Mapping[str, Cure] = {
    "安全设置": ("security", f"{SIGN}，填到配置里的 secret；关键词和 IP 两项不要勾，或勾了也要满足"),
    "没有这个群机器人": (
        "token",
        f"{ROBOT}，把 Webhook 里 access_token= 后面的部分抄到配置里；机器人被移出群就重新添加",
    ),
    "太快": ("too_often", "一个机器人一分钟最多 20 条，超过会停 10 分钟：少发几条，过一会儿会自动重发"),
    "太长": ("too_long", "一条最多 20000 字节：把内容拆短"),
}


async def check_dingtalk_groups(visit: Visit, key: str, groups: Mapping[str, DingtalkGroupSettings]) -> list[Finding]:
    """Return how the robots of one tenant look; nothing is sent."""
    subject = Subject(key, CHANNEL)
    tenant = await visit.tenant_facts(key)
    found: list[Finding] = []
    for name, settings in groups.items():
        found += _shape(subject, name, settings)
        if tenant is not None:
            sent = tenant.groups.get((CHANNEL, name))
            found.append(check_outcome(subject, name, sent, visit.clock(), CURES))
    return found


def _shape(subject: Subject, name: str, settings: DingtalkGroupSettings) -> list[Finding]:
    right = subject.ok("dingtalk_group.token", f"「{name}」的地址和密钥", "样子对")
    return list(_wrong_shape(subject, name, settings)) or [right]


def _wrong_shape(subject: Subject, name: str, settings: DingtalkGroupSettings) -> Iterator[Finding]:
    section, token = f'dingtalk_groups."{name}"', settings.access_token.get_secret_value()
    what, code = f"「{name}」的 access_token", "dingtalk_group.token"
    fix = f"{ROBOT}，把 Webhook 里 access_token= 后面的部分抄到 {subject.key(section, 'access_token')}"
    if ADDRESS.search(token):
        yield subject.fail(code, what, "填了整个地址或带了空格，只要 access_token= 后面的部分", fix)
    elif not TOKEN.fullmatch(token):
        yield subject.warn(code, what, f"有 {len(token)} 个字符，一般是 64 个", fix)
    if not settings.secret.get_secret_value().startswith("SEC"):
        fix = f"{SIGN}，填到 {subject.key(section, 'secret')}"
        yield subject.fail("dingtalk_group.secret", f"「{name}」的 secret", "不是 SEC 开头的加签密钥", fix)
