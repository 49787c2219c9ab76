"""Who is who in the corp: mobile numbers, and the plain user ids behind encrypted ones.

What was asked is remembered for hours: a member's number hardly ever changes. Numbers that belong to nobody are
dangerous to ask for. More wrong ones than a fifth of the headcount and WeCom closes the call for a day (docs 90312,
95402), so after a few in an hour no further one is asked.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.platforms.base import RateLimited
from bot.platforms.wecom.answers import Answer, NoSuchMember
from bot.platforms.wecom.client import WecomApi
from bot.platforms.wecom.remembered import Remembered

REMEMBER_SECONDS = 6 * 3600.0
# A number that belonged to nobody may have been added meanwhile.
REMEMBER_MISS_SECONDS = 600.0
MAX_MISSES = 5
MISS_SECONDS = 3600.0
MAX_OPEN_IDS = 1000
MOBILE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")
SEPARATORS = re.compile(r"[\s()-]")

TOO_MANY_MISSES = "刚才查的手机号有好几个不在企业通讯录里，再查会被企业微信停用一天，请一小时后再试"


@dataclass(frozen=True, slots=True, repr=False)
class Member:
    """A member; `mobile` is "" where the app may not see it, as those made after June 2022 may not (doc 90196)."""

    name: str
    mobile: str


class Contacts:
    """Answers from what the app can see of the corp."""

    def __init__(self, api: WecomApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._members: Remembered[str, Member] = Remembered(REMEMBER_SECONDS, clock)
        self._by_mobile: Remembered[str, str | None] = Remembered(REMEMBER_SECONDS, clock)
        self._nobody: Remembered[str, None] = Remembered(REMEMBER_MISS_SECONDS, clock)
        self._plain: Remembered[str, str | None] = Remembered(REMEMBER_SECONDS, clock)
        self._misses: deque[float] = deque(maxlen=MAX_MISSES)

    async def member(self, user_id: str) -> Member:
        """Return the member; `Refused` when the corp has none of this id, or the app may not see them."""
        key = user_id.casefold()
        if key not in self._members:
            body = (await self._api.user(user_id)).body
            self._members[key] = Member(str(body.get("name") or ""), str(body.get("mobile") or ""))
        return self._members[key]

    async def user_id_of(self, mobile: str) -> str | None:
        """Return whose number this is; None for nobody's, `RateLimited` after too many of those."""
        number = MOBILE.fullmatch(SEPARATORS.sub("", mobile))
        if number is None or number[1] in self._nobody:
            return None
        if number[1] not in self._by_mobile:
            return await self._ask_for(number[1])
        return self._by_mobile[number[1]]

    async def plain_user_ids(self, open_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the plain user id of each encrypted one that has one; plain ones given by mistake have none."""
        wanted = list(dict.fromkeys(open_ids))
        plain = {one: self._plain[one] for one in wanted if one in self._plain}
        unknown = iter([one for one in wanted if one not in plain])
        while batch := list(itertools.islice(unknown, MAX_OPEN_IDS)):
            found = _pairs(await self._api.plain_user_ids(batch))
            for open_id in batch:
                plain[open_id] = self._plain[open_id] = found.get(open_id)
        return {open_id: user_id for open_id, user_id in plain.items() if user_id}

    async def _ask_for(self, mobile: str) -> str | None:
        if len(self._misses) == MAX_MISSES and (wait := self._misses[0] + MISS_SECONDS - self._clock()) > 0:
            raise RateLimited(TOO_MANY_MISSES, wait)
        try:
            answer = await self._api.user_id_by_mobile(mobile)
        except NoSuchMember:
            self._misses.append(self._clock())
            self._nobody[mobile] = None
            return None
        self._by_mobile[mobile] = str(answer.body.get("userid") or "") or None
        return self._by_mobile[mobile]


def _pairs(answer: Answer) -> dict[str, str]:
    found = answer.body.get("userid_list") or []
    return {str(one.get("open_userid")): str(one.get("userid") or "") for one in found if isinstance(one, dict)}
