"""Who is it: a person's mobile number by user id and the other way round. Not metered; remembered for a day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.errors import NobodyThere

USER_PATH = "/topapi/v2/user/get"
BY_MOBILE_PATH = "/topapi/v2/user/getbymobile"
DAY_SECONDS = 86_400.0
REMEMBERED = 10_000


class DingtalkContacts:
    """One organisation's people; a `SendError` says that the organisation could not be asked."""

    def __init__(self, calls: DingtalkCalls, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    async def mobile_of(self, user_id: str) -> str | None:
        """Return a person's mobile number; None when there is no such person, or the app lacks the field 手机号."""
        return await self._ask(USER_PATH, {"userid": user_id, "language": "zh_CN"}, "mobile")

    async def user_id_of(self, mobile: str) -> str | None:
        """Return whose mobile number this is, None for nobody's."""
        return await self._ask(BY_MOBILE_PATH, {"mobile": mobile}, "userid")

    async def _ask(self, path: str, body: Mapping[str, str], field: str) -> str | None:
        """Return a field of the answer, from memory while that is fresh; what is missing is asked for again."""
        key = (path, next(iter(body.values())))
        until, value = self._known.get(key, (0.0, ""))
        if self._clock() < until:
            return value
        try:
            value = _field(await self._calls.oapi(path, body, metered=False), field)
        except NobodyThere:
            return None
        if value:
            self._remember(key, value)
        return value or None

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
