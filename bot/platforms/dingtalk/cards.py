"""Calls about cards. A card carries our own id (`outTrackId`), so each of them may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.config import DingtalkSettings
from bot.platforms.base import Refused
from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.verify import card_secret
from handlers.messages import Address

DELIVER_PATH = "/v1.0/card/instances/createAndDeliver"
CARD_PATH = "/v1.0/card/instances"
STREAMING_PATH = "/v1.0/card/streaming"
REGISTER_PATH = "/v1.0/card/callbacks/register"

NOT_DELIVERED = "卡片没有送达：{why}"
NO_REASON = "钉钉没有说明原因"


class NotDelivered(Refused):
    """The card was created and shown to nobody: HTTP 200 with an unsuccessful delivery."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The whole text a streaming card shows from now on; `guid` lets DingTalk know a repeated call."""

    card: str
    guid: str
    text: str
    last: bool = False


class DingtalkCards:
    """One app's cards. Presses come back by Stream, or to the address registered under `route_key`."""

    def __init__(self, settings: DingtalkSettings, calls: DingtalkCalls, route_key: str) -> None:
        self._settings = settings
        self._calls = calls
        self._route_key = route_key

    async def deliver(
        self, address: Address, out_track_id: str, template: str, params: Mapping[str, str], *, listed: str
    ) -> str:
        """Create and deliver a card, return its carrier id; `CardExists` when there is one of this id.

        `listed` stands in the list of conversations.
        """
        body = {
            "cardTemplateId": template,
            "outTrackId": out_track_id,
            "userIdType": 1,
            "cardData": {"cardParamMap": dict(params)},
            **self._callback(),
            **(self._group_space(address) if address.group else self._person_space(address, listed)),
        }
        created = await self._calls.api("POST", DELIVER_PATH, body, repeatable=True)
        deliveries = _deliveries(created)
        for delivery in deliveries:
            if delivery.get("success") is False:
                raise NotDelivered(NOT_DELIVERED.format(why=delivery.get("errorMsg") or NO_REASON))
        return str(deliveries[0].get("carrierId", "")) if deliveries else ""

    async def update(self, out_track_id: str, params: Mapping[str, str]) -> None:
        """Give these variables of a card new values, for everyone who sees it."""
        body = {
            "outTrackId": out_track_id,
            "cardData": {"cardParamMap": dict(params)},
            # Without it DingTalk empties every variable that is not sent.
            "cardUpdateOptions": {"updateCardDataByKey": True},
            "userIdType": 1,
        }
        await self._calls.api("PUT", CARD_PATH, body, repeatable=True)

    async def stream(self, frame: Frame) -> None:
        """Show a text on a streaming card; the last one ends it."""
        body = {
            "outTrackId": frame.card,
            "guid": frame.guid,
            "key": "msgContent",
            "content": frame.text,
            # Markdown variables take the whole text each time.
            "isFull": True,
            "isFinalize": frame.last,
            "isError": False,
        }
        await self._calls.api("PUT", STREAMING_PATH, body, repeatable=True)

    async def register_callback(self, url: str) -> None:
        """Have presses of our cards sent to this address, in place of one registered before."""
        body = {
            "callbackRouteKey": self._route_key,
            "callbackUrl": url,
            "apiSecret": card_secret(self._settings.client_secret.get_secret_value()),
            "forceUpdate": True,
        }
        await self._calls.api("POST", REGISTER_PATH, body, repeatable=True)

    def _callback(self) -> dict[str, Any]:
        """Return how a press comes back; without it a press does nothing."""
        if self._settings.stream:
            return {"callbackType": "STREAM"}
        return {"callbackType": "HTTP", "callbackRouteKey": self._route_key}

    def _group_space(self, address: Address) -> dict[str, Any]:
        return {
            "openSpaceId": f"dtv1.card//IM_GROUP.{address.conversation}",
            # Whoever gets a forwarded card could press its buttons.
            "imGroupOpenSpaceModel": {"supportForward": False},
            "imGroupOpenDeliverModel": {"robotCode": self._settings.robot_code},
        }

    def _person_space(self, address: Address, listed: str) -> dict[str, Any]:
        return {
            "openSpaceId": f"dtv1.card//IM_ROBOT.{address.user_id}",
            "imRobotOpenSpaceModel": {"supportForward": False, "lastMessageI18n": {"ZH_CN": listed}},
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": self._settings.robot_code},
        }


def _deliveries(created: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = created.get("result")
    found = result.get("deliverResults") if isinstance(result, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
