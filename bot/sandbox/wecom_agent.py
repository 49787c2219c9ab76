"""The app of the pretend WeCom as agent/get shows it (WeCom doc 90227)."""

from __future__ import annotations

from aiohttp import web

from bot.sandbox.wecom_api import Answer, ApiError


class Agent:
    """One app: its name, its visible range, and whether it was stopped."""

    def __init__(self, agent_id: int, name: str = "导购") -> None:
        self.stopped = False
        self.users: list[str] = []
        self.parties: list[int] = [1]  # the whole corp
        self.tags: list[int] = []
        self._agent_id = agent_id
        self._name = name

    async def get(self, request: web.Request) -> Answer:
        """Answer agent/get; a token shows no app but its own."""
        wanted = request.query.get("agentid", "")
        if not wanted.isdecimal():
            raise ApiError(40056, "invalid agentid")
        if int(wanted) != self._agent_id:
            raise ApiError(301002, "not allow operate another agent with this accesstoken")
        return {
            "agentid": self._agent_id,
            "name": self._name,
            "description": "",
            "allow_userinfos": {"user": [{"userid": user} for user in self.users]},
            "allow_partys": {"partyid": self.parties},
            "allow_tags": {"tagid": self.tags},
            "close": int(self.stopped),
        }
