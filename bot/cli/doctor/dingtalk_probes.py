"""What can be tried with a DingTalk app without anybody noticing: a message to nobody, a card that is not delivered.

Each of them is one call of the month's quota, so they are left out where that is wanted, or nearly spent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from bot.cards.dingtalk_card import READY_TEMPLATE, card_params, for_own_template
from bot.cli.doctor.dingtalk_calls import DingtalkCalls
from bot.cli.doctor.dingtalk_refusal import CONSOLE, PERMISSION, ROBOT, permission, refused
from bot.cli.doctor.facts import Colleague
from bot.cli.doctor.finding import Finding, Subject
from bot.platforms.dingtalk.errors import PERMISSION_CODES, Answer, NobodyThere, refusal
from bot.platforms.dingtalk.live import NEW_CARD
from handlers.messages import Card

TEMPLATE, STREAMING, CONTACTS, RANGE = "卡片模板", "流式卡片模板", "通讯录", "可见范围"
SEND, CARD, STREAM = "qyapi_robot_sendmsg", "Card.Instance.Write", "Card.Streaming.Write"
MEMBER, BY_MOBILE = "qyapi_get_member", "qyapi_get_member_by_mobile"
DESIGNER = "open-dev.dingtalk.com/fe/card → 点开这个模板，确认关联的是这个应用，点「发布」"
OUTSIDE = frozenset({"50002", "60121", "33012"})
NO_CARD, CARD_GONE = "param.cardNotExist", frozenset({"param.templateNotExist", "param.templateUnpublished"})
# A person nobody is: the API has answers of its own for them.
UNKNOWN_PERSON = frozenset({"staffId.notExisted", "robot.oto.notExist"})
ASKED, SHOWN = 10, 5


def nobody() -> str:
    """Return a name that is nobody's and no card's."""
    return f"daogou-doctor-{secrets.token_hex(12)}"


async def probe_robot(calls: DingtalkCalls, subject: Subject) -> list[Finding]:
    """Return whether the robot is the app's and may write to people."""
    answer = await calls.send_to_nobody(nobody())
    if not _is_fine(answer) and answer.code not in UNKNOWN_PERSON:
        return [refused(subject, answer, SEND)]
    same = (
        "和 Client ID 一样" if calls.settings.robot_code == calls.settings.client_id else "和 Client ID 不一样，但能用"
    )
    return [
        subject.ok("dingtalk.robot_code", ROBOT, f"robot_code 有效（{same}）"),
        subject.ok(f"dingtalk.permission.{SEND}", PERMISSION, "可以发消息"),
    ]


async def probe_card(calls: DingtalkCalls, subject: Subject) -> list[Finding]:
    """Return whether cards can be made of the template."""
    template = calls.settings.card_template_id
    params = card_params(Card("doctor", "导购自检", "这张卡片没有发给任何人"))
    ready = template == READY_TEMPLATE
    answer = await calls.create_card(template, params if ready else for_own_template(params), nobody())
    if answer.code in CARD_GONE:
        return [_template(subject, answer, TEMPLATE, "dingtalk.template", "card_template_id")]
    if not _is_fine(answer):
        return [refused(subject, answer, CARD)]
    return [subject.ok("dingtalk.template", TEMPLATE, "自带的" if ready else "自己的，已发布")]


async def probe_streaming(calls: DingtalkCalls, subject: Subject) -> list[Finding]:
    """Return whether text can be shown while it is written; asked only where that is switched on."""
    if not calls.settings.streaming_card:
        return []
    made, step = await asyncio.gather(
        calls.create_card(calls.settings.streaming_template_id, NEW_CARD, nobody()), calls.stream(nobody(), nobody())
    )
    if made.code in CARD_GONE:
        return [_template(subject, made, STREAMING, "dingtalk.streaming_template", "streaming_template_id")]
    if step.code.rpartition(".")[2] in PERMISSION_CODES:
        return [refused(subject, step, STREAM)]
    if not _is_fine(made):
        return [refused(subject, made, CARD)]
    if not _is_fine(step) and step.code != NO_CARD:
        return [refused(subject, step, STREAM)]
    return [subject.ok("dingtalk.streaming_template", STREAMING, "可以边写边显示")]


def _template(subject: Subject, answer: Answer, what: str, code: str, key: str) -> Finding:
    said = "还没有发布" if answer.code.endswith("Unpublished") else "不存在，或者属于别的应用"
    where = subject.key("dingtalk", key)
    fix = f"{DESIGNER}，再把模板 ID（….schema）抄到 {where}；删掉这一行就用自带的模板。这期间卡片会变成文字"
    return subject.fail(code, what, f"模板{said}", fix)


async def check_contacts(calls: DingtalkCalls, subject: Subject, bound: Sequence[Colleague]) -> list[Finding]:
    """Return whether people can be looked up, and whether those bound are within the app's range. Not metered."""
    asked = bound[:ASKED]
    by_mobile, *users = await asyncio.gather(calls.nobodys_mobile(), *(calls.user(one.user_id) for one in asked))
    if not users:
        users = [await calls.user(nobody())]
    missing = [
        scope
        for scope, answer in ((MEMBER, users[0]), (BY_MOBILE, by_mobile))
        if answer.code.rpartition(".")[2] in PERMISSION_CODES
    ]
    if missing:
        lacking = permission(subject, missing)
        detail = f"{lacking.detail}：认不出手机号，员工要用绑定码绑定"
        return [subject.warn("dingtalk.contacts", CONTACTS, detail, lacking.fix)]
    if strange := [one for one in (users[0], by_mobile) if not _is_fine(one) and not _is_nobody(one)]:
        return [refused(subject, strange[0], MEMBER)]
    outside = [one for one, answer in zip(asked, users, strict=False) if answer.code in OUTSIDE]
    return [_mobile(subject, users), *_range(subject, outside)]


def _mobile(subject: Subject, users: Sequence[Answer]) -> Finding:
    seen = [answer for answer in users if _is_fine(answer)]
    if seen and not any(_mobile_of(answer) for answer in seen):
        detail = "查得到人，看不到手机号：员工用绑定码绑定（要自动认出，就在 权限管理 里申请字段「手机号」）"
        return subject.ok("dingtalk.contacts", CONTACTS, detail)
    return subject.ok("dingtalk.contacts", CONTACTS, "查得到人")


def _mobile_of(answer: Answer) -> str:
    result = (answer.body or {}).get("result")
    return str(result.get("mobile") or "") if isinstance(result, dict) else ""


def _range(subject: Subject, outside: Sequence[Colleague]) -> list[Finding]:
    if not outside:
        return []
    names = "、".join(f"{one.name}（{one.user_id}）" for one in outside[:SHOWN])
    unbind = "daogou staff unbind --platform dingtalk --user 编号"
    fix = f"{CONSOLE} → 版本管理与发布 → 可使用范围 里加上他们，再发布；已经离职的用 {unbind} 解除"
    return [subject.warn("dingtalk.visible_range", RANGE, f"这些绑定了的员工收不到：{names}", fix)]


def _is_fine(answer: Answer) -> bool:
    return refusal(answer, repeatable=True) is None


def _is_nobody(answer: Answer) -> bool:
    return isinstance(refusal(answer, repeatable=True), NobodyThere) or answer.code in OUTSIDE | {"40104"}
