"""WeCom's server API as the doctor asks it: every errcode is an answer, and the token is always a fresh one.

A token from the shared store would hide a secret that was changed yesterday.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from bot.cli.doctor.web import Unreachable, Web
from bot.config import WecomSettings
from bot.platforms.wecom.answers import OK, Answer

CLOCK_OF = "企业微信"


@dataclass(frozen=True, slots=True)
class WecomCalls:
    """The calls of one app with one token, "" before there is one."""

    web: Web
    http: httpx.AsyncClient
    settings: WecomSettings
    token: str = ""

    async def granted(self) -> tuple[Answer, WecomCalls]:
        """Return the answer of gettoken and, when it was a token, the calls with it (doc 91039)."""
        secret = self.settings.secret.get_secret_value()
        answer = await self._ask("/gettoken", {"corpid": self.settings.corp_id, "corpsecret": secret})
        token = str(answer.body.get("access_token") or "") if answer.code == OK else ""
        return answer, WecomCalls(self.web, self.http, self.settings, token)

    async def agent(self) -> Answer:
        """Return what WeCom knows of the app (doc 90227)."""
        return await self._get("/agent/get", {"agentid": str(self.settings.agent_id)})

    async def menu(self) -> Answer:
        """Return the app's menu (doc 90232)."""
        return await self._get("/menu/get", {"agentid": str(self.settings.agent_id)})

    async def user(self, user_id: str) -> Answer:
        """Return what the app may see of a member (doc 90196)."""
        return await self._get("/user/get", {"userid": user_id})

    async def _get(self, path: str, query: Mapping[str, str]) -> Answer:
        return await self._ask(path, {**query, "access_token": self.token})

    async def _ask(self, path: str, query: Mapping[str, str]) -> Answer:
        url = f"{self.settings.base_url.rstrip('/')}/cgi-bin{path}"
        response = await self.web.ask(self.http, "GET", url, params=dict(query), clock_of=CLOCK_OF)
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("errcode"), int):
            raise Unreachable("broken", f"应答的不是企业微信，HTTP {response.status_code}")
        return Answer(body)
