"""Whether anybody of a tenant is bound to a platform: nobody else is answered."""

from __future__ import annotations

from bot.cli.doctor.facts import TenantFacts
from bot.cli.doctor.finding import Finding, Subject

WHAT = "绑定的员工"


def check_bound(subject: Subject, facts: TenantFacts, platform: str) -> Finding:
    """Return how many of the staff have an account on this platform."""
    code, bound = f"{subject.channel}.staff", len(facts.bound.get(platform, ()))
    if bound:
        return subject.ok(code, WHAT, f"{bound} 个账号（共 {facts.staff} 位员工）")
    tenant = f"daogou staff --tenant {subject.tenant}"
    fix = f"成批导入：{tenant} import 员工.csv；一个一个来：{tenant} code 员工编号，请他对机器人说「绑定 123456」"
    return subject.warn(code, WHAT, "一个也没有，机器人谁也不认识", fix)
