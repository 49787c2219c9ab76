"""What the robot says: to a session webhook, to people by the robot API, to a group it is in.

None of these knows a repeated message from a new one, so one that went out without an answer is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bot.config import DingtalkSettings
from bot.platforms.base import RateLimited, Receipt, Refused, SendError
from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.wire import RobotMessage

USERS_PER_CALL = 20
WEBHOOK_HOSTS = frozenset({"oapi.dingtalk.com", "api.dingtalk.com"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

TO_USERS_PATH = "/v1.0/robot/oToMessages/batchSend"
TO_GROUP_PATH = "/v1.0/robot/groupMessages/send"

FOREIGN_WEBHOOK = "回复地址不是钉钉的"
NOT_REACHED = "钉钉里没有这个人，或者不在应用的可见范围里"
THROTTLED = "这个人收到的消息太多，钉钉暂时不送"
THROTTLED_SECONDS = 60.0


class DingtalkRobot:
    """One app's robot; raises `Refused`, `TryLater` or `Unknown`."""

    def __init__(self, settings: DingtalkSettings, calls: DingtalkCalls) -> None:
        self._settings = settings
        self._calls = calls

    async def reply(self, webhook: str, body: Mapping[str, Any]) -> None:
        """Post to a message's session webhook; `SessionGone` when that is spent."""
        if not self._is_dingtalk(webhook):
            raise Refused(FOREIGN_WEBHOOK)
        await self._calls.post(webhook, body, what="sendBySession")

    async def send_to_users(self, users: Sequence[str], message: RobotMessage) -> Mapping[str, Receipt | SendError]:
        """Send to at most 20 people in one call and return what became of it by user id."""
        if len(users) > USERS_PER_CALL:
            raise ValueError(f"{len(users)} people in a call that takes {USERS_PER_CALL}")
        body = message.body(self._settings.robot_code) | {"userIds": list(users)}
        sent = await self._calls.api("POST", TO_USERS_PATH, body, repeatable=False)
        receipt = Receipt(str(sent.get("processQueryKey", "")))
        rejected = _rejected(sent, "flowControlledStaffIdList", lambda: RateLimited(THROTTLED, THROTTLED_SECONDS))
        rejected |= _rejected(sent, "invalidStaffIdList", lambda: Refused(NOT_REACHED))
        return {user: rejected.get(user.casefold(), receipt) for user in users}

    async def send_to_group(self, conversation: str, message: RobotMessage) -> Receipt:
        """Send to a group the robot is in."""
        body = message.body(self._settings.robot_code) | {"openConversationId": conversation}
        sent = await self._calls.api("POST", TO_GROUP_PATH, body, repeatable=False)
        return Receipt(str(sent.get("processQueryKey", "")))

    def _is_dingtalk(self, webhook: str) -> bool:
        """Tell whether an address that came in a message may be posted to."""
        try:
            url = urlsplit(webhook)
            host, port = url.hostname or "", url.port
        except ValueError:
            return False
        if url.username is not None or (url.scheme != "https" and not (url.scheme == "http" and host in LOOPBACK)):
            return False
        configured = {urlsplit(base).netloc for base in (self._settings.base_url, self._settings.oapi_base_url)}
        return (host in WEBHOOK_HOSTS and port in (None, 443)) or url.netloc in configured


def _rejected(sent: Mapping[str, Any], name: str, error: Callable[[], SendError]) -> dict[str, SendError]:
    """Return who a list of the answer names, with an error of their own."""
    found = sent.get(name)
    return {str(user).casefold(): error() for user in found} if isinstance(found, list) else {}
