"""Who is it: a person's mobile number by user id and the other way round. Not metered; remembered for a day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from bot.platforms.base import Refused
from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.errors import NOBODY_THERE

USER_PATH = "/topapi/v2/user/get"
BY_MOBILE_PATH = "/topapi/v2/user/getbymobile"
DAY_SECONDS = 86_400.0
REMEMBERED = 10_000

NO_MOBILE = "钉钉没有给出手机号：应用需要「手机号」字段权限"


class DingtalkContacts:
    """One organisation's people; raises `Refused` for somebody who is not there."""

    def __init__(self, calls: DingtalkCalls, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    async def mobile_of(self, user_id: str) -> str:
        """Return a person's mobile number; `Refused` when the app may not see it."""
        body = {"userid": user_id, "language": "zh_CN"}
        if not (mobile := await self._ask(USER_PATH, body, "mobile")):
            raise Refused(NO_MOBILE)
        return mobile

    async def user_id_of(self, mobile: str) -> str:
        """Return whose mobile number this is; `Refused` when it is nobody's."""
        if not (user_id := await self._ask(BY_MOBILE_PATH, {"mobile": mobile}, "userid")):
            raise Refused(NOBODY_THERE)
        return user_id

    async def _ask(self, path: str, body: Mapping[str, str], field: str) -> str:
        """Return a field of the answer, from memory while that is fresh; what is missing is asked for again."""
        key = (path, next(iter(body.values())))
        until, value = self._known.get(key, (0.0, ""))
        if self._clock() < until:
            return value
        value = _field(await self._calls.oapi(path, body, metered=False), field)
        if value:
            self._remember(key, value)
        return value

    def _remember(self, key: tuple[str, str], value: str) -> None:
        self._known[key] = (self._clock() + DAY_SECONDS, value)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _field(answer: Mapping[str, Any], name: str) -> str:
    """Return a field of the result; numbers in DingTalk's samples are sometimes strings and the other way round."""
    result = answer.get("result")
    value = result.get(name) if isinstance(result, Mapping) else None
    return str(value) if isinstance(value, str | int) else ""
