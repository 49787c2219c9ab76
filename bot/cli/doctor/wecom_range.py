"""Whom a WeCom app reaches: who of our people is inside its visible range, and what it may see of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.cli.doctor.facts import Colleague
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.wecom_calls import WecomCalls
from bot.cli.doctor.wecom_refusal import APP
from bot.platforms.wecom.answers import OK, Answer

CODE, WHAT = "wecom.visible_range", "可见范围"
# No right on this member, not in the range, no such member (doc 90313).
OUTSIDE = frozenset({60011, 60021, 60111, 40003, 46004})
ASKED, SHOWN = 20, 5
FIX = f"管理后台 → {APP} → 可见范围，点「编辑」，选上所有要用的门店（部门）或员工"
MOBILE = "手机号"


async def check_range(calls: WecomCalls, subject: Subject, agent: Answer, bound: Sequence[Colleague]) -> list[Finding]:
    """Return who is outside. Members of departments and tags are asked for one by one, at most twenty."""
    users, parties, tags = _users(agent), _ids(agent, "allow_partys", "partyid"), _ids(agent, "allow_tags", "tagid")
    if not (users or parties or tags):
        return [subject.fail(CODE, WHAT, "是空的，谁也收不到消息", FIX)]
    named = {user.casefold() for user in users}
    unsure = [one for one in bound if one.user_id.casefold() not in named]
    answers = await _ask(calls, unsure[:ASKED] or bound[:1])
    outside = [one for one in unsure[:ASKED] if answers[one.user_id].code in OUTSIDE]
    wide = f"{len(users)} 个成员、{len(parties)} 个部门、{len(tags)} 个标签"
    found = [_outside(subject, outside, wide, len(unsure)) if outside else subject.ok(CODE, WHAT, wide)]
    return [*found, *_mobile(subject, list(answers.values()))]


async def _ask(calls: WecomCalls, colleagues: Sequence[Colleague]) -> dict[str, Answer]:
    answers = await asyncio.gather(*(calls.user(one.user_id) for one in colleagues))
    return {one.user_id: answer for one, answer in zip(colleagues, answers, strict=True)}


def _outside(subject: Subject, outside: Sequence[Colleague], wide: str, unsure: int) -> Finding:
    names = "、".join(f"{one.name}（{one.user_id}）" for one in outside[:SHOWN])
    more = f" 等 {len(outside)} 人" if len(outside) > SHOWN else ""
    looked = f"，只查了前 {ASKED} 人" if unsure > ASKED else ""
    detail = f"{wide}；这些绑定了的员工不在里面或已离职：{names}{more}{looked}"
    fix = f"{FIX}；已经离职的用 daogou staff unbind --platform wecom --user 编号 解除"
    return subject.warn(f"{CODE}.outside", WHAT, detail, fix)


def _mobile(subject: Subject, answers: Sequence[Answer]) -> list[Finding]:
    """Return whether people are recognised by their number; since June 2022 new apps are not told it (doc 90196)."""
    seen = [answer for answer in answers if answer.code == OK]
    if not seen:
        return []
    if any(answer.body.get("mobile") for answer in seen):
        return [subject.ok("wecom.mobile", MOBILE, "看得到，员工第一次说话就能自动认出")]
    detail = "看不到（2022 年 6 月以后建的应用都这样），员工用绑定码或 userid 绑定"
    return [subject.ok("wecom.mobile", MOBILE, detail)]


def _users(agent: Answer) -> list[str]:
    listed = _inside(agent, "allow_userinfos", "user")
    return [str(one.get("userid")) for one in listed if isinstance(one, dict) and one.get("userid")]


def _ids(agent: Answer, name: str, inner: str) -> list[str]:
    return [str(one) for one in _inside(agent, name, inner)]


def _inside(agent: Answer, name: str, inner: str) -> list[Any]:
    outer = agent.body.get(name)
    found = outer.get(inner) if isinstance(outer, dict) else None
    return found if isinstance(found, list) else []
