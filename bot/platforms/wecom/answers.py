"""What WeCom answers, and what to do about it. Decided by errcode alone: errmsg is for people and changes.

The codes are those of WeCom doc 90313; -1, 6000, 45009 and 45033 are the only ones worth repeating.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.platforms.base import RateLimited, Refused, SendError, TryLater

OK = 0
TOKEN_REFUSED = frozenset({40014, 42001})
# Nothing gets better before somebody looks: secret, corp, agent, trusted addresses, an app that is switched off.
ACCOUNT_WRONG = frozenset({40001, 40013, 40056, 40091, 48002, 50003, 60020})
CARD_EXISTS = 42014
CODE_SPENT = frozenset({42016, 42022})
MEDIA_GONE = 40007
NO_SUCH_MEMBER = frozenset({40003, 46004, 60111})
WRONG_JSON = "Warning: wrong json format"
HINT = re.compile(r"hint: \[?([0-9A-Za-z_]+)")

LATER: Mapping[int, tuple[str, float]] = {
    -1: ("企业微信繁忙", 5.0),
    6000: ("企业微信数据冲突", 2.0),
    # Lifted after as long as it took to be reached: a minute at least.
    45009: ("发送太频繁，企业微信限流", 60.0),
    45033: ("同时发送太多，企业微信限流", 5.0),
}
LIMITED = frozenset({45009, 45033})
REFUSED: Mapping[int, str] = {
    40001: "应用 Secret 不对，请检查配置",
    40003: "企业微信里没有这个成员",
    40004: "素材类型不对",
    40005: "素材类型不对",
    40006: "素材大小不对",
    40007: "素材已过期，请重新上传",
    40008: "消息类型不对",
    40009: "图片大小不对",
    40011: "视频大小不对",
    40013: "企业 ID 不对，请检查配置",
    40016: "菜单按钮的个数不对",
    40017: "菜单按钮的类型不对",
    40018: "菜单名字太长或是空的",
    40019: "菜单按钮的 key 太长或是空的",
    40020: "菜单链接太长或不对",
    40022: "菜单层数太多",
    40023: "子菜单按钮的个数不对",
    40024: "子菜单按钮的类型不对",
    40025: "子菜单名字太长或是空的",
    40026: "子菜单按钮的 key 太长或是空的",
    40027: "子菜单链接太长或不对",
    40031: "成员不在应用可见范围",
    40033: "消息里有企业微信不认的字符",
    40035: "消息参数不对",
    40056: "应用 AgentId 不对，请检查配置",
    40058: "消息参数不对",
    40063: "消息参数为空",
    40091: "Secret 不属于这个企业，请检查配置",
    41001: "请求没有带令牌",
    41016: "卡片没有标题",
    42014: "卡片编号重复或卡片不合规",
    42015: "卡片属于别的应用",
    42016: "卡片已过期",
    42017: "卡片上没有这个按钮",
    42018: "卡片按钮不合规",
    42019: "卡片按钮不合规",
    42020: "卡片按钮不合规",
    42022: "卡片已过期",
    42045: "卡片跳转不合规",
    43012: "应用还没有设置接收消息的地址",
    44001: "素材是空的",
    44004: "消息是空的",
    45001: "素材太大",
    45002: "消息太长",
    46003: "应用还没有菜单",
    46004: "企业微信里没有这个成员",
    48002: "这个 Secret 不能发消息，请检查配置",
    50003: "应用已停用",
    60011: "应用没有这个成员的权限",
    60020: "服务器 IP 不在企业可信 IP 里",
    60021: "成员不在应用可见范围",
    60111: "企业微信里没有这个成员",
    81013: "收件人都不在应用可见范围",
    82001: "消息没有收件人",
    93000: "群消息推送的地址不对，请检查配置里的 key",
}


class AnswerLost(TryLater):
    """The call went out and its answer did not come, or could not be read: it may have been done."""


class CardExists(Refused):
    """A card with this task id was sent before."""


class CodeSpent(Refused):
    """This response code has been used, or its card is gone."""


class MediaGone(Refused):
    """WeCom does not know this upload any more."""


class NoSuchMember(Refused):
    """Nobody of the corp has this user id or mobile number."""


class TokenRefused(TryLater):
    """The access token is no longer accepted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of one answer."""

    body: Mapping[str, Any]

    @property
    def code(self) -> int:
        """The errcode; 0 is success."""
        return int(self.body["errcode"])

    @property
    def hint(self) -> str:
        """The number WeCom's support asks for."""
        found = HINT.search(str(self.body.get("errmsg", "")))
        return found[1] if found else ""

    @property
    def partly_ignored(self) -> bool:
        """Whether WeCom accepted the body but could not read all of it."""
        return self.code == OK and WRONG_JSON in str(self.body.get("errmsg", ""))

    def users(self, *names: str) -> tuple[str, ...]:
        """Return the user ids under these names: "a|b" in one API, a list in another."""
        found: list[str] = []
        for name in names:
            value = self.body.get(name) or ()
            found += value.split("|") if isinstance(value, str) else map(str, value)
        return tuple(user for user in found if user)


def error_of(code: int) -> SendError:
    """Return what a non-zero errcode means for the message it answers."""
    if code in LATER:
        reason, after = LATER[code]
        return (RateLimited if code in LIMITED else TryLater)(f"{reason}（{code}）", after)
    if code in TOKEN_REFUSED:
        return TokenRefused(f"企业微信不认访问令牌（{code}）", 60.0)
    return _refusal_of(code)(f"{REFUSED.get(code, '企业微信拒绝了这个请求')}（{code}）")


def _refusal_of(code: int) -> type[Refused]:
    special = {CARD_EXISTS: CardExists, MEDIA_GONE: MediaGone}
    special |= dict.fromkeys(CODE_SPENT, CodeSpent) | dict.fromkeys(NO_SUCH_MEMBER, NoSuchMember)
    return special.get(code, Refused)
