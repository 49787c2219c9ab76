"""What an errcode of WeCom means for whoever set the app up, and on which page it is mended (doc 90313)."""

from __future__ import annotations

import re
from ipaddress import ip_address

from bot.cli.doctor.finding import Finding, Subject
from bot.platforms.wecom.answers import REFUSED, Answer

APP = "应用管理 → 自建 → 点开这个应用"
# `…, from ip: 203.0.113.7, more info at …`
FROM_IP = re.compile(r"from ip: ([0-9a-fA-F.:]+)")
TRUSTED_IP = 60020
BUSY = frozenset({-1, 6000, 45009, 45033})

CREDENTIALS, AGENT, IP = "凭据", "应用", "企业可信 IP"


def refusal(subject: Subject, answer: Answer) -> Finding:
    """Return the finding of a call that WeCom refused."""
    code = answer.code
    if code == TRUSTED_IP:
        return _trusted_ip(subject, answer)
    if code in BUSY:
        fix = "过几分钟再查；一直这样就看是不是有别的程序也在用这个应用发消息"
        return subject.warn("wecom.busy", CREDENTIALS, f"企业微信现在忙或在限流（{code}）", fix)
    if found := _known(subject, code):
        return found
    fix = f"到 developer.work.weixin.qq.com/devtool/query?e={code} 查这个错误码"
    said = REFUSED.get(code, "企业微信拒绝了")
    return subject.fail("wecom.refused", AGENT, f"{said}（{code}）", fix)


def _known(subject: Subject, code: int) -> Finding | None:
    key = subject.key
    match code:
        case 40013:
            where = "管理后台 → 我的企业 → 企业信息，把最下面的「企业ID」"
            fix = f"{where}抄到 {key('wecom', 'corp_id')}；刚注册的企业过半小时再试"
            return subject.fail("wecom.corp_id", CREDENTIALS, f"企业 ID 不对（{code}）", fix)
        case 40001 | 40091:
            fix = (
                f"管理后台 → {APP}，在 Secret 一行点「查看」（会发到您手机的企业微信里），抄到 {key('wecom', 'secret')}"
            )
            said = "Secret 不对" if code == 40001 else "Secret 不属于这个企业"
            return subject.fail("wecom.secret", CREDENTIALS, f"{said}（{code}）", fix)
        case 48002:
            fix = f"这是通讯录同步或别的 Secret：管理后台 → {APP}，把应用自己的 Secret 抄到 {key('wecom', 'secret')}"
            return subject.fail("wecom.secret", CREDENTIALS, f"这个 Secret 不能用来发消息（{code}）", fix)
        case 40056 | 301002:
            fix = f"管理后台 → {APP}，把 AgentId 抄到 {key('wecom', 'agent_id')}；Secret 也要是同一个应用的"
            return subject.fail("wecom.agent_id", AGENT, f"AgentId 和 Secret 不是同一个应用的（{code}）", fix)
        case 50003:
            return stopped(subject)
    return None


def stopped(subject: Subject) -> Finding:
    """Return that the app is switched off."""
    fix = f"管理后台 → {APP}，点「启用应用」"
    return subject.fail("wecom.stopped", AGENT, "应用被停用了，收发都不行", fix)


def _trusted_ip(subject: Subject, answer: Answer) -> Finding:
    """Return which address WeCom saw: behind a NAT or a proxy nobody else knows it."""
    found = FROM_IP.search(str(answer.body.get("errmsg", "")))
    address = found[1].rstrip(".:") if found and _is_address(found[1].rstrip(".:")) else "这台服务器的出口 IP"
    fix = (
        f"把 {address} 加进 管理后台 → {APP} → 企业可信IP（在页面最下面的「开发者接口」里）；"
        "要先在「接收消息」里保存好回调地址，才能填可信 IP"
    )
    return subject.fail("wecom.trusted_ip", IP, f"企业微信不让 {address} 调用（{TRUSTED_IP}）", fix)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
