"""DingTalk's APIs as the doctor asks them: every refusal is an answer, and the token is always a fresh one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from bot.cli.doctor.web import Web
from bot.config import DingtalkSettings
from bot.platforms.base import RateLimited
from bot.platforms.dingtalk.calls import TOKEN_PATH
from bot.platforms.dingtalk.cards import CARD_PATH, STREAMING_PATH
from bot.platforms.dingtalk.contacts import BY_MOBILE_PATH, USER_PATH
from bot.platforms.dingtalk.errors import Answer, read_answer, refusal
from bot.platforms.dingtalk.robot import TO_USERS_PATH
from bot.platforms.dingtalk.wire import RobotMessage

CLOCK_OF = "钉钉"
NOTHING: Mapping[str, str] = {"content": "导购自检"}
# No number begins like this: whose it is would be nobody's business.
NO_MOBILE = "10000000000"


@dataclass(frozen=True, slots=True)
class DingtalkCalls:
    """The calls of one app with one token, "" before there is one; `metered` hears of what counts against the quota."""

    web: Web
    http: httpx.AsyncClient
    settings: DingtalkSettings
    metered: Callable[[], None]
    token: str = ""

    async def granted(self) -> tuple[Answer, DingtalkCalls]:
        """Return the answer to our credentials and, when it was a token, the calls with it."""
        secret = self.settings.client_secret.get_secret_value()
        answer = await self._api("POST", TOKEN_PATH, {"appKey": self.settings.client_id, "appSecret": secret})
        token = (answer.body or {}).get("accessToken")
        return answer, replace(self, token=token if isinstance(token, str) else "")

    async def send_to_nobody(self, user_id: str) -> Answer:
        """Return what DingTalk says to a message for somebody who does not exist. Metered."""
        message = RobotMessage("sampleText", NOTHING)
        return await self._metered(
            "POST", TO_USERS_PATH, message.body(self.settings.robot_code) | {"userIds": [user_id]}
        )

    async def create_card(self, template: str, params: Mapping[str, str], out_track_id: str) -> Answer:
        """Return what DingTalk says to a card that is made and delivered to nobody. Metered."""
        body = {
            "cardTemplateId": template,
            "outTrackId": out_track_id,
            "callbackType": "STREAM",
            "userIdType": 1,
            "cardData": {"cardParamMap": dict(params)},
        }
        return await self._metered("POST", CARD_PATH, body)

    async def stream(self, out_track_id: str, guid: str) -> Answer:
        """Return what DingTalk says to a step of a streaming card that does not exist. Metered."""
        body = {
            "outTrackId": out_track_id,
            "guid": guid,
            "key": "msgContent",
            "content": "",
            "isFull": True,
            "isFinalize": True,
            "isError": False,
        }
        return await self._metered("PUT", STREAMING_PATH, body)

    async def user(self, user_id: str) -> Answer:
        """Return what the app may see of a person."""
        return await self._oapi(USER_PATH, {"userid": user_id, "language": "zh_CN"})

    async def nobodys_mobile(self) -> Answer:
        """Return what DingTalk says to a number that is none."""
        return await self._oapi(BY_MOBILE_PATH, {"mobile": NO_MOBILE})

    async def _metered(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        answer = await self._api(method, path, body)
        # What throttling turns away is not metered.
        if not isinstance(refusal(answer, repeatable=True), RateLimited):
            self.metered()
        return answer

    async def _api(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        headers = {"x-acs-dingtalk-access-token": self.token} if self.token else {}
        url = self.settings.base_url.rstrip("/") + path
        return read_answer(await self.web.ask(self.http, method, url, json=body, headers=headers, clock_of=CLOCK_OF))

    async def _oapi(self, path: str, body: Mapping[str, Any]) -> Answer:
        url, query = self.settings.oapi_base_url.rstrip("/") + path, {"access_token": self.token}
        return read_answer(await self.web.ask(self.http, "POST", url, json=body, params=query, clock_of=CLOCK_OF))
