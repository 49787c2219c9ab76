"""What WeCom's acknowledgement of a frame means for what was sent (WeCom docs 101463, 90313)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from bot.platforms.aibot.connection import Link, NoAck, NotConnected
from bot.platforms.base import RateLimited, Refused, TryLater, Unknown
from bot.platforms.wecom.answers import CARD_EXISTS, OK, error_of

log = structlog.get_logger()

REQUEST_OVER = 846605
STREAM_OVER = 846608
INVALID_CHAT = 93006
MEDIA_GONE = 40007
TOO_OFTEN = 45009

AGAIN_SOON = 5.0
A_MINUTE = 60.0
NOT_CONNECTED = "智能机器人的长连接断开了"
NO_ANSWER = "企业微信没有应答，这条可能已经送达"
OVER = "这条消息已经不能再回复（{}）"
NEVER_WROTE = "对方还没有给智能机器人发过消息，发不过去（93006）"
LIMITED = "发送太频繁，企业微信限流（45009）"


class AnswerOver(Refused):
    """The message can no longer be answered this way: its stream has expired, or its req_id."""


class CardExists(Refused):
    """A card with this task id was sent before."""


class MediaGone(Refused):
    """The upload is not known any more."""


async def ask(link: Link | None, command: str, body: Mapping[str, Any], request: str = "") -> Mapping[str, Any]:
    """Send a frame and return the body of its acknowledgement; a `SendError` says why it was not taken."""
    if link is None:
        raise TryLater(NOT_CONNECTED, AGAIN_SOON)
    try:
        ack = await link.request(command, body, request)
    except NotConnected as error:
        raise TryLater(NOT_CONNECTED, AGAIN_SOON) from error
    except NoAck as error:
        raise Unknown(NO_ANSWER) from error
    code = ack.get("errcode")
    if code != OK:
        log.info("aibot.refused", command=command, errcode=code)
        raise _error_of(code if isinstance(code, int) else -1)
    answer = ack.get("body")
    return answer if isinstance(answer, dict) else ack


def _error_of(code: int) -> Refused | TryLater:
    if code in {REQUEST_OVER, STREAM_OVER}:
        return AnswerOver(OVER.format(code))
    if code == INVALID_CHAT:
        return Refused(NEVER_WROTE)
    if code == TOO_OFTEN:
        return RateLimited(LIMITED, A_MINUTE)
    error = error_of(code)
    if isinstance(error, Refused) and code in {CARD_EXISTS, MEDIA_GONE}:
        return CardExists(error.reason) if code == CARD_EXISTS else MediaGone(error.reason)
    return error if isinstance(error, Refused | TryLater) else Refused(str(error))
