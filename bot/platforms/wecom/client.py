"""The server API of one self-built app (WeCom docs 90236 and following).

It never repeats a call by itself, save once with a new token. A message is sent with WeCom's duplicate check, a card
has its own id, and what else changes something writes the same again: repeating a call whose answer was lost is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from bot.platforms.access_token import AccessToken, Grant, TokenStore
from bot.platforms.base import TryLater
from bot.platforms.wecom.answers import Answer, TokenRefused
from bot.platforms.wecom.wire import AGAIN_AFTER_BAD_ANSWER, Call, FilePart, Wire

log = structlog.get_logger()

NOTHING_GRANTED = "企业微信没有给访问令牌"
NO_MEDIA_ID = "企业微信没有给素材编号"


class WecomApi:
    """The calls of one app."""

    def __init__(
        self,
        wire: Wire,
        corp_id: str,
        secret: str,
        clock: Callable[[], float] = time.time,
        store: TokenStore | None = None,
    ) -> None:
        self._wire = wire
        self._account = {"corpid": corp_id, "corpsecret": secret}
        self._token = AccessToken(self._grant, clock, store)

    async def check(self) -> None:
        """Get a token, the call that needs nothing but a right account."""
        await self._token.get()

    async def send(self, body: Mapping[str, Any]) -> Answer:
        """Send a message (doc 90236)."""
        return await self._post("/message/send", body)

    async def update_template_card(self, body: Mapping[str, Any]) -> Answer:
        """Change a card that was sent (doc 94888)."""
        return await self._post("/message/update_template_card", body)

    async def upload(self, kind: str, file: FilePart) -> str:
        """Upload a file and return its media id, which is good for three days (doc 90253)."""
        answer = await self._authorised(Call("POST", "/media/upload", {"type": kind}, file=file))
        return media_id_of(answer)

    async def user(self, user_id: str) -> Answer:
        """Return what the corp knows of a member the app can see (doc 90196)."""
        return await self._authorised(Call("GET", "/user/get", {"userid": user_id}))

    async def user_id_by_mobile(self, mobile: str) -> Answer:
        """Return whose number this is (doc 95402)."""
        return await self._post("/user/getuserid", {"mobile": mobile})

    async def plain_user_ids(self, open_ids: Sequence[str]) -> Answer:
        """Return the user ids behind at most 1000 encrypted ones (doc 101521)."""
        return await self._post("/batch/openuserid_to_userid", {"open_userid_list": list(open_ids)})

    async def create_menu(self, agent_id: int, menu: Mapping[str, Any]) -> None:
        """Give the app this menu instead of the one it has (doc 90231)."""
        await self._authorised(Call("POST", "/menu/create", {"agentid": str(agent_id)}, menu))

    async def menu(self, agent_id: int) -> Answer:
        """Return the app's menu (doc 90232)."""
        return await self._authorised(Call("GET", "/menu/get", {"agentid": str(agent_id)}))

    async def delete_menu(self, agent_id: int) -> None:
        """Take the app's menu away (doc 90233)."""
        await self._authorised(Call("GET", "/menu/delete", {"agentid": str(agent_id)}))

    async def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self._authorised(Call("POST", path, body=body))

    async def _authorised(self, call: Call) -> Answer:
        token = await self._token.get()
        try:
            return await self._wire.answer(_with_token(call, token))
        except TokenRefused:
            log.info("wecom.token_refused", path=call.path)
        try:
            return await self._wire.answer(_with_token(call, await self._token.replace(token)))
        except TokenRefused as error:
            self._token.distrust(error)
            raise

    async def _grant(self) -> Grant:
        answer = await self._wire.answer(Call("GET", "/gettoken", self._account))
        token, lifetime = answer.body.get("access_token"), answer.body.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lifetime, int):
            raise TryLater(NOTHING_GRANTED, AGAIN_AFTER_BAD_ANSWER)
        return Grant(token, float(lifetime))


def media_id_of(answer: Answer) -> str:
    """Return the media id an upload was given."""
    media_id = answer.body.get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise TryLater(NO_MEDIA_ID, AGAIN_AFTER_BAD_ANSWER)
    return media_id


def _with_token(call: Call, token: str) -> Call:
    return replace(call, query={**call.query, "access_token": token})
