"""What DingTalk says when it does not take a request, turned into what delivery should do about it.

The new API answers 4xx/5xx with `{"code", "message", "requestid"}`; the old one and the webhooks answer HTTP 200
with `{"errcode", "errmsg"}`; an overloaded edge answers with an HTML page or `{"punish": "deny"}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from bot.platforms.base import RateLimited, Refused, SendError, TryLater, Unknown

UNREACHABLE = "连不上钉钉"
NO_ANSWER = "钉钉没有回应，可能已经送达"
THROTTLED_PAGE = "请求太多，钉钉暂时拦下了这台服务器"
THEIR_SIDE = "钉钉那边出了问题"
QUOTA_SPENT = "钉钉本月的调用额度用完了"
BAD_CREDENTIALS = "钉钉应用的 Client ID 或 Secret 不对"
TOKEN_SPENT = "钉钉的访问令牌过期了"  # noqa: S105 (a sentence)
MISSING_PERMISSION = "钉钉应用缺少权限：{scopes}"
PER_SECOND = "钉钉限流（每秒）"
TOO_FAST = "机器人发得太快"
NOBODY_THERE = "钉钉里没有这个人"
UNKNOWN_REFUSAL = "钉钉不接受：{code}"

# The edge bans an address for five minutes (10,000 requests in 20 seconds), a custom group robot for ten.
BAN_SECONDS = 300.0
ROBOT_BAN_SECONDS = 600.0
QUOTA_CODES = frozenset({"ApiCountLimitForOrg", "90020", "90030"})
PERMISSION_CODES = frozenset({"AccessTokenPermissionDenied", "60011"})
CREDENTIAL_CODES = frozenset({"invalidClientIdOrSecret", "authFailed"})
# The old API's gateway gave up on what stands behind it; with a sub-code, 88 means that one instead.
GATEWAY_CODES = frozenset({"15", "88"})
HIDING_CODE = "88"


class SessionGone(Refused):
    """The session webhook is spent: the same message may go by the robot API."""


class TokenExpired(TryLater):
    """The access token is not valid any more: renew and repeat once."""


class CardExists(Refused):
    """A card of this outTrackId was created before; whether it was delivered, this answer does not say."""


class NobodyThere(Refused):
    """The organisation has no such person."""


class WrongCredentials(TryLater):
    """The app's id or secret is wrong; asking again soon only adds noise."""


# By the full code, or by its last dotted part. Sources: DingTalk's error code pages as of mid-2026.
CODES: Mapping[str, Callable[[], SendError]] = {
    "InvalidAuthentication": partial(TokenExpired, TOKEN_SPENT, 1.0),
    "40001": partial(TokenExpired, TOKEN_SPENT, 1.0),
    "40014": partial(TokenExpired, TOKEN_SPENT, 1.0),
    "42001": partial(TokenExpired, TOKEN_SPENT, 1.0),
    "invalidClientIdOrSecret": partial(WrongCredentials, BAD_CREDENTIALS, BAN_SECONDS),
    "authFailed": partial(WrongCredentials, BAD_CREDENTIALS, BAN_SECONDS),
    "IpNotInWhiteList": partial(Refused, "服务器 IP 不在钉钉应用的白名单里"),
    "QpsLimitForAppkeyAndApi": partial(RateLimited, PER_SECOND, 2.0),
    "QpsLimitForApi": partial(RateLimited, PER_SECOND, 5.0),
    "QpmLimitForAppkeyAndApi": partial(RateLimited, "钉钉限流（每分钟）", 60.0),
    "90018": partial(RateLimited, PER_SECOND, 2.0),
    "90002": partial(RateLimited, PER_SECOND, 5.0),
    "send.too.fast": partial(RateLimited, TOO_FAST, 60.0),
    "send.byToken.tooFast": partial(RateLimited, TOO_FAST, 60.0),
    "130101": partial(RateLimited, TOO_FAST, ROBOT_BAN_SECONDS),
    "ApiCountLimitForOrg": partial(Refused, QUOTA_SPENT),
    "90020": partial(Refused, QUOTA_SPENT),
    "90030": partial(Refused, QUOTA_SPENT),
    "invalidParameter.robotCode.notExsit": partial(Refused, "钉钉说没有这个机器人，请检查 robot_code"),
    "invalidParameter.userIds.overMax": partial(Refused, "一次发送的人太多"),
    "invalidParameter.msgParam.invalid": partial(Refused, "消息内容的格式不对"),
    "invalidParameter.msgParam.tooLong": partial(Refused, "消息太长"),
    "460101": partial(Refused, "消息太长"),
    "robot.oto.notExist": partial(Refused, "这个人还不能收到机器人的消息"),
    "chatbotId.notAllow.sendOTO": partial(Refused, "这个机器人不能发单聊消息"),
    "staffId.notExisted": partial(NobodyThere, NOBODY_THERE),
    "session.expired": partial(Refused, "会话已过期"),
    "33012": partial(NobodyThere, NOBODY_THERE),
    "60121": partial(NobodyThere, NOBODY_THERE),
    "40104": partial(Refused, "手机号不对"),
    "50002": partial(Refused, "这个人不在应用的可见范围里"),
    "300001": partial(SessionGone, "回复地址已失效"),
    "310000": partial(Refused, "群机器人的安全设置不允许：检查加签密钥、关键词和 IP"),
    "param.templateNotExist": partial(Refused, "卡片模板不存在"),
    "param.templateUnpublished": partial(Refused, "卡片模板还没有发布"),
    "param.cardAlreadyExist": partial(CardExists, "卡片已经发过"),
    "param.cardNotExist": partial(Refused, "卡片不存在"),
    "param.contentUnsafe": partial(Refused, "卡片内容没有通过钉钉的审核"),
    "param.userIdNotExist": partial(NobodyThere, NOBODY_THERE),
    "system.error": partial(TryLater, THEIR_SIDE, 10.0),
    "system.busy": partial(TryLater, THEIR_SIDE, 10.0),
    "-1": partial(TryLater, THEIR_SIDE, 10.0),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is None when it was no JSON object, as the throttle page is."""

    status: int
    body: Mapping[str, Any] | None = field(repr=False)

    @property
    def code(self) -> str:
        """The error code of either API as text, "" for none; the sub-code where the code only hides it."""
        body = self.body or {}
        code = str(body.get("errcode") or body.get("code") or "")
        if code == HIDING_CODE and body.get("sub_code"):
            return str(body["sub_code"])
        return "" if code == "0" else code

    @property
    def punished(self) -> bool:
        """Whether the edge answered in place of the API."""
        return self.body is None or self.body.get("punish") == "deny"


def read_answer(response: httpx.Response) -> Answer:
    """Return the answer with its JSON object, if it is one."""
    try:
        body = json.loads(response.text)
    except ValueError:
        body = None
    return Answer(response.status_code, body if isinstance(body, dict) else None)


def refusal(answer: Answer, *, repeatable: bool) -> SendError | None:
    """Return the error this answer means, None for success.

    A gateway's 502 or 504 leaves open whether the message went out: `Unknown`, unless the request may be
    repeated safely.
    """
    if 200 <= answer.status < 300 and not answer.punished and not answer.code:
        return None
    last = answer.code.rpartition(".")[2]
    if last in PERMISSION_CODES:
        return Refused(MISSING_PERMISSION.format(scopes=_scopes(answer)))
    if make := CODES.get(answer.code) or CODES.get(last):
        return make()
    return _refusal_without_known_code(answer, repeatable=repeatable)


def _refusal_without_known_code(answer: Answer, *, repeatable: bool) -> SendError:
    if answer.status in (502, 504) or answer.code in GATEWAY_CODES:
        return no_answer(repeatable=repeatable)
    if answer.status == 429:
        return RateLimited(PER_SECOND, 5.0)
    if answer.status >= 500:
        return TryLater(THEIR_SIDE, 10.0)
    if answer.body is not None and answer.punished:
        return RateLimited(THROTTLED_PAGE, BAN_SECONDS)
    # A page may be the edge's ban as well as somebody's proxy: it is not waited for without end.
    if answer.punished and answer.status != 404:
        return TryLater(THROTTLED_PAGE, BAN_SECONDS)
    return Refused(UNKNOWN_REFUSAL.format(code=answer.code or answer.status))


def no_answer(*, repeatable: bool) -> SendError:
    """Return the error of a request that went out without an answer."""
    return TryLater(THEIR_SIDE) if repeatable else Unknown(NO_ANSWER)


def needs_operator(answer: Answer) -> bool:
    """Tell whether a person must do something in DingTalk's console before this can work."""
    last = answer.code.rpartition(".")[2]
    return last in QUOTA_CODES | PERMISSION_CODES | CREDENTIAL_CODES | {"IpNotInWhiteList"}


def _scopes(answer: Answer) -> str:
    """Return the permissions the new API names; the old one names only the field of work."""
    detail = (answer.body or {}).get("accessdenieddetail")
    scopes = detail.get("requiredScopes") if isinstance(detail, Mapping) else None
    if isinstance(scopes, list) and scopes:
        return "、".join(map(str, scopes))
    return "通讯录" if answer.code == "60011" else answer.code
