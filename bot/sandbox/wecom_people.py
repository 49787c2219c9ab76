"""Members of the pretend corp as its contacts show them to an app (WeCom docs 90196, 95402, 101521)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bot.sandbox.wecom_api import BAD_PARAMETER, TOO_OFTEN, Answer, ApiError, json_body

MISS_SHARE = 0.2
CLOSED_SECONDS = 86400
MAX_OPEN_IDS = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """What the contacts hold of a member."""

    name: str
    mobile: str = ""


class People:
    """Everybody who has a phone; who is `invisible` is outside the app's range.

    Only an app made before June 2022 (`old_app`) sees mobile numbers.
    """

    def __init__(self, members: set[str], clock: Callable[[], float], *, old_app: bool = False) -> None:
        self.members = members
        self.known: dict[str, Person] = {}
        self.unlicensed: set[str] = set()
        self.invisible: set[str] = set()
        self.old_app = old_app
        self._clock = clock
        self._misses = 0
        self._closed_until = 0.0

    def open_id(self, user_id: str) -> str:
        """Return what a bot made by a member would call this person."""
        return f"wo{hashlib.sha256(user_id.encode()).hexdigest()[:30]}"

    async def user(self, request: web.Request) -> Answer:
        """Answer user/get."""
        user_id = request.query.get("userid", "").casefold()
        if user_id not in self.members:
            raise ApiError(60111, "userid not found")
        if user_id in self.invisible:
            raise ApiError(60011, "no privilege to access/modify contact/party/agent")
        person = self.known.get(user_id, Person(user_id))
        shown = {"userid": user_id, "name": person.name, "department": [1], "main_department": 1, "status": 1}
        return {**shown, **({"mobile": person.mobile} if self.old_app else {})}

    async def user_id(self, request: web.Request) -> Answer:
        """Answer user/getuserid; too many numbers of nobody close it for a day (doc 90312)."""
        mobile = str((await json_body(request)).get("mobile") or "")
        if self._clock() < self._closed_until:
            raise ApiError(TOO_OFTEN, "api freq out of limit")
        if found := next((user for user, person in self.known.items() if mobile and person.mobile == mobile), None):
            return {"userid": found}
        self._misses += 1
        if self._misses > MISS_SHARE * len(self.members):
            self._closed_until = self._clock() + CLOSED_SECONDS
        raise ApiError(46004, "user no exist")

    async def plain_user_ids(self, request: web.Request) -> Answer:
        """Answer batch/openuserid_to_userid; plain ids are invalid ones here."""
        wanted = (await json_body(request)).get("open_userid_list")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_OPEN_IDS:
            raise ApiError(BAD_PARAMETER, "invalid open_userid_list")
        plain = {self.open_id(member): member for member in self.members}
        found = [{"open_userid": one, "userid": plain[one]} for one in wanted if one in plain]
        return {"userid_list": found, "invalid_open_userid_list": [one for one in wanted if one not in plain]}
