"""One tenant's custom group robots, by the name the settings give each group.

Every call is signed with the robot's own secret and carries an id made from the delivery's key, so that a repeated
one is shown once. Nothing ever comes back: there are no buttons and no replies.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import structlog

from bot.cards.dingtalk_group import render
from bot.config import DingtalkGroupSettings
from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused, TryLater
from bot.platforms.dingtalk.calls import NOT_SENT, TIMEOUT
from bot.platforms.dingtalk.errors import UNREACHABLE, SessionGone, no_answer, read_answer, refusal
from bot.platforms.dingtalk.verify import sign_message
from bot.platforms.dingtalk.wire import webhook_body
from handlers.messages import Address, Card, Part

log = structlog.get_logger()

PLATFORM = "dingtalk_group"
SEND_PATH = "/robot/send"
# More than that, and DingTalk turns the robot away for ten minutes.
SENDS_A_MINUTE = 20

NO_GROUP = "配置里没有这个钉钉群：{name}"
NO_ROBOT = "钉钉没有这个群机器人：检查 access_token，机器人可能已被移出群"
NOT_CHANGED = "群机器人发出的消息不能更新"


class DingtalkGroupPlatform(PlainChannel):
    """Sends to groups: `Address("dingtalk_group", <name in the settings>, "", group=True)`.

    `client` is given by tests; it stays the giver's to close.
    """

    name = PLATFORM

    def __init__(
        self,
        groups: Mapping[str, DingtalkGroupSettings],
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._groups = groups
        self._http = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._owns_http = client is None
        self._clock = clock

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the payloads that show this part; see `bot.cards.dingtalk_group`."""
        return render(part)

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Post one payload to the group; the same `key` is shown once."""
        body = webhook_body(payload)
        if body is None:
            raise TypeError(f"a group robot cannot carry {payload['type']}")
        if key:
            body["msgUuid"] = uuid.uuid5(uuid.NAMESPACE_URL, key).hex
        await self._post(self._group(address), body, repeatable=bool(key))
        return Receipt()

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Raise `Refused`: what a group robot said stays as it is."""
        raise Refused(NOT_CHANGED)

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the robot's rate; the name tells robots of several tenants apart and not their token."""
        settings = self._groups.get(address.conversation)
        token = settings.access_token.get_secret_value() if settings else address.conversation
        return (Rate(f"{PLATFORM}:{hashlib.sha256(token.encode()).hexdigest()[:16]}", SENDS_A_MINUTE, 60),)

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Whether an interrupted send may be repeated: always, DingTalk knows it by its id."""
        return True

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()

    def _group(self, address: Address) -> DingtalkGroupSettings:
        found = self._groups.get(address.conversation)
        if found is None:
            raise Refused(NO_GROUP.format(name=address.conversation))
        return found

    async def _post(self, group: DingtalkGroupSettings, body: Mapping[str, Any], *, repeatable: bool) -> None:
        timestamp = str(int(self._clock() * 1000))
        query = {
            "access_token": group.access_token.get_secret_value(),
            "timestamp": timestamp,
            "sign": sign_message(timestamp, group.secret.get_secret_value()),
        }
        try:
            response = await self._http.post(group.base_url.rstrip("/") + SEND_PATH, params=query, json=body)
        except NOT_SENT as error:
            raise TryLater(UNREACHABLE) from error
        except httpx.HTTPError as error:
            raise no_answer(repeatable=repeatable) from error
        answer = read_answer(response)
        if refused := refusal(answer, repeatable=repeatable):
            log.warning("dingtalk_group.refused", status=answer.status, code=answer.code)
            raise Refused(NO_ROBOT) if isinstance(refused, SessionGone) else refused
