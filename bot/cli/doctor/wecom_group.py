"""The webhooks of WeCom groups: the shape of each key, and how the last message ended."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.group_outcome import Cure, check_outcome
from bot.cli.doctor.visit import Visit
from bot.config import WecomGroupSettings

CHANNEL = "wecom_group"
# What stands after `key=` in every address that was seen.
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ADDRESS = re.compile(r"https?:|key=|[\s/?&]")
WHERE = "群聊右上角 … → 消息推送 → 点开它，复制地址里 key= 后面的部分"
CURES: Mapping[str, Cure] = {
    "93000": ("key", f"这个 key 已经失效（消息推送被删了？）：{WHERE}，填到配置里，重启 daogou serve"),
    "45009": ("too_often", "一个群一分钟最多 20 条：少发几条，过一会儿会自动重发"),
}


async def check_wecom_groups(visit: Visit, key: str, groups: Mapping[str, WecomGroupSettings]) -> list[Finding]:
    """Return how the webhooks of one tenant look; nothing is sent."""
    subject = Subject(key, CHANNEL)
    tenant = await visit.tenant_facts(key)
    found = []
    for name, settings in groups.items():
        found.append(_shape(subject, name, settings.key.get_secret_value()))
        if tenant is not None:
            sent = tenant.groups.get((CHANNEL, name))
            found.append(check_outcome(subject, name, sent, visit.clock(), CURES))
    return found


def _shape(subject: Subject, name: str, key: str) -> Finding:
    code, what = "wecom_group.key", f"「{name}」的 key"
    section = f'wecom_groups."{name}"'
    fix = f"{WHERE}，填到 {subject.key(section, 'key')}"
    if ADDRESS.search(key):
        return subject.fail(code, what, "填了整个地址或带了空格，只要 key= 后面的部分", fix)
    if not KEY.fullmatch(key):
        return subject.warn(code, what, f"有 {len(key)} 个字符，一般是 36 个（8-4-4-4-12）", fix)
    return subject.ok(code, what, "样子对")
