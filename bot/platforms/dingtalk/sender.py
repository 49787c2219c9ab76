"""The way of one message: by the conversation's session webhook while that is good, then by the robot API.

The webhook costs no token, no quota and needs no visible range, but carries no pictures and no files.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread
import structlog

from bot.cards.dingtalk import table_of, words_of
from bot.cards.picture import TablePictures
from bot.media_cache import MediaKind
from bot.platforms.base import Receipt, Refused, SendError
from bot.platforms.dingtalk.errors import SessionGone
from bot.platforms.dingtalk.media import DingtalkMedia
from bot.platforms.dingtalk.robot import DingtalkRobot
from bot.platforms.dingtalk.wire import RobotMessage, robot_message, webhook_body
from handlers.messages import Address

log = structlog.get_logger()

# A webhook this close to its end is not used any more.
WEBHOOK_MARGIN_SECONDS = 120.0
TABLE_NAME = "table.png"
NOT_DRAWN = "这里不画表格"
NOBODY = "不知道发给谁：这个人不在组织里"

Payload = dict[str, Any]


class Sender:
    """Sends payloads of the renderer that are no cards; `unseal` opens a session webhook as it lies in the hints.

    Without `pictures` the renderer makes no table that would have to be drawn.
    """

    def __init__(
        self,
        robot: DingtalkRobot,
        media: DingtalkMedia,
        clock: Callable[[], float],
        unseal: Callable[[str], str],
        pictures: TablePictures | None,
    ) -> None:
        self._robot = robot
        self._media = media
        self._clock = clock
        self._unseal = unseal
        self._pictures = pictures

    async def send(self, address: Address, payload: Payload) -> Receipt:
        """Send one payload.

        The bytes of a picture or file are uploaded first and leave the payload, so that what is recorded of it is
        the name DingTalk gave them.
        """
        receipt = Receipt()
        reachable = address.group or bool(address.user_id)
        for ready in await self._ready(payload) if reachable else words_of(payload):
            receipt = await self._send_ready(address, ready)
        return receipt

    async def send_many(self, users: Sequence[str], payload: Payload) -> Mapping[str, Receipt | SendError]:
        """Send one payload to at most 20 people and return what became of it by user id."""
        left, outcomes = list(users), dict[str, Receipt | SendError]()
        for ready in await self._ready(payload):
            outcomes |= await self._robot.send_to_users(left, robot_message(ready))
            left = [user for user in left if isinstance(outcomes[user], Receipt)]
            if not left:
                break
        return outcomes

    async def _send_ready(self, address: Address, payload: Payload) -> Receipt:
        body, webhook = webhook_body(payload), self._usable_webhook(address)
        if body is not None and webhook:
            try:
                await self._robot.reply(webhook, body)
            except SessionGone:
                log.info("dingtalk.session_gone", conversation=address.conversation)
            else:
                return Receipt()
        return await self._by_robot(address, robot_message(payload))

    async def _by_robot(self, address: Address, message: RobotMessage) -> Receipt:
        if address.group:
            return await self._robot.send_to_group(address.conversation, message)
        if not address.user_id:
            raise Refused(NOBODY)
        outcome = (await self._robot.send_to_users([address.user_id], message))[address.user_id]
        if isinstance(outcome, SendError):
            raise outcome
        return outcome

    async def _ready(self, payload: Payload) -> list[Payload]:
        """Return what can be sent: uploads by their media id, or in words where DingTalk does not take them."""
        if payload["type"] not in ("picture", "file", "table"):
            return [payload]
        try:
            if "media" not in payload:
                payload["media"] = await self._upload(payload)
        except Refused as refused:
            log.warning("dingtalk.upload_refused", kind=payload["type"], reason=refused.reason)
            return words_of(payload)
        payload.pop("data", None)
        return [payload | {"type": "file" if payload["type"] == "file" else "picture"}]

    async def _upload(self, payload: Payload) -> str:
        if payload["type"] == "table":
            if self._pictures is None:
                raise Refused(NOT_DRAWN)
            drawn = await anyio.to_thread.run_sync(self._pictures.draw_table, table_of(payload))
            return await self._media.reference("image", TABLE_NAME, drawn)
        kind: MediaKind = "image" if payload["type"] == "picture" else "file"
        return await self._media.reference(kind, payload["name"], base64.b64decode(payload["data"]))

    def _usable_webhook(self, address: Address) -> str:
        webhook, expires = address.hints.get("sessionWebhook"), address.hints.get("sessionWebhookExpiredTime")
        if not isinstance(webhook, str) or not isinstance(expires, int | float):
            return ""
        return self._unseal(webhook) if self._clock() < expires / 1000 - WEBHOOK_MARGIN_SECONDS else ""
