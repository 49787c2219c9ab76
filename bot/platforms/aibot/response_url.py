"""The address that comes with a message: one answer within an hour, no token (WeCom doc 101138).

The address alone lets one speak, so it is sealed where it is kept, is used for WeCom's host only and never logged.
"""

from __future__ import annotations

from typing import Any

import httpx
import structlog

from bot.platforms.aibot.http import BEFORE_SENDING
from bot.platforms.base import Refused, TryLater, Unknown
from bot.platforms.wecom.answers import LATER, OK, error_of

log = structlog.get_logger()

AGAIN_SOON = 5.0
NOT_REACHED = "连不上企业微信"
NO_ANSWER = "企业微信没有应答，这条可能已经送达"
BAD_ANSWER = "企业微信的应答看不懂，这条可能已经送达"


async def post_response(http: httpx.AsyncClient, url: str, body: dict[str, Any]) -> None:
    """Send the one answer.

    `TryLater` when it has certainly not arrived and the address is still good, `Refused` when WeCom does not take
    it, `Unknown` when nobody can tell.
    """
    try:
        response = await http.post(url, json=body)
    except BEFORE_SENDING as error:
        raise TryLater(NOT_REACHED, AGAIN_SOON) from error
    except httpx.RequestError as error:
        raise Unknown(NO_ANSWER) from error
    _check(response)


def _check(response: httpx.Response) -> None:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    code = answer.get("errcode") if isinstance(answer, dict) else None
    if not isinstance(code, int):
        raise Unknown(BAD_ANSWER)
    if code == OK:
        return
    log.warning("aibot.response_refused", errcode=code)
    error = error_of(code)
    raise error if code in LATER else Refused(error.reason)
