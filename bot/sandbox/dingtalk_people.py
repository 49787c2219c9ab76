"""The organisation of the pretend DingTalk: who there is, and whom the robot cannot reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web

from bot.sandbox.dingtalk_api import Json, OapiRefusal, read_json


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person of the address book; `mobile` only where the app may see it."""

    user_id: str
    name: str
    mobile: str = ""


@dataclass(slots=True)
class AddressBook:
    """People by user id. Whoever is `invisible` is refused by name, whoever is `flooded` for now.

    While the book is not `complete`, a robot reaches people who are not in it.
    """

    people: dict[str, Colleague] = field(default_factory=dict)
    invisible: set[str] = field(default_factory=set)
    flooded: set[str] = field(default_factory=set)
    complete: bool = False

    def add(self, user_id: str, name: str, mobile: str = "") -> None:
        """Enter a person."""
        self.people[user_id] = Colleague(user_id, name, mobile)

    def open_to(self, user_ids: Iterable[str]) -> None:
        """Enter people whom nothing but their id is known of; there are no others."""
        for user_id in user_ids:
            self.people.setdefault(user_id, Colleague(user_id, user_id))
        self.complete = True

    def reaches(self, user_id: str) -> bool:
        """Whether a message to this id finds somebody."""
        return user_id not in self.invisible and (user_id in self.people or not self.complete)

    async def user(self, request: web.Request) -> Json:
        """Answer `user/get`."""
        found = self.people.get(str((await read_json(request)).get("userid")))
        if found is None:
            raise OapiRefusal(33012, "无效的USERID")
        if found.user_id in self.invisible:
            raise OapiRefusal(50002, "请求的员工userid不在授权范围内")
        mobile = {"mobile": found.mobile} if found.mobile else {}
        return {"request_id": "r", "result": {"userid": found.user_id, "name": found.name, **mobile}}

    async def by_mobile(self, request: web.Request) -> Json:
        """Answer `user/getbymobile`."""
        mobile = str((await read_json(request)).get("mobile"))
        if not (mobile.isdecimal() and len(mobile) == 11):
            raise OapiRefusal(40104, "手机号不合法")
        for colleague in self.people.values():
            if colleague.mobile == mobile:
                return {"request_id": "r", "result": {"userid": colleague.user_id}}
        raise OapiRefusal(60121, "找不到该用户")
