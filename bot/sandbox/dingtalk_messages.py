"""What the pretend DingTalk's robot is told to say by the robot API, and what a phone shows of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.sandbox.dingtalk_api import ApiRefusal, Json
from bot.sandbox.dingtalk_media import MediaStore
from bot.sandbox.dingtalk_people import AddressBook
from bot.sandbox.dingtalk_rooms import Rooms

MAX_USERS = 20
MAX_PARAM_BYTES = 15_000

# What each msgKey must carry.
NEEDED: Mapping[str, frozenset[str]] = {
    "sampleText": frozenset({"content"}),
    "sampleMarkdown": frozenset({"title", "text"}),
    "sampleImageMsg": frozenset({"photoURL"}),
    "sampleLink": frozenset({"title", "text", "picUrl", "messageUrl"}),
    "sampleActionCard": frozenset({"title", "text", "singleTitle", "singleURL"}),
    "sampleFile": frozenset({"mediaId", "fileName", "fileType"}),
}


@dataclass(frozen=True, slots=True)
class RobotMessages:
    """Checks and shows messages of one robot."""

    robot_code: str
    rooms: Rooms
    media: MediaStore
    book: AddressBook

    def to_users(self, body: Json) -> Json:
        """Answer `oToMessages/batchSend`: 200 even when some of the people are not reached."""
        users = body.get("userIds")
        if not isinstance(users, list) or not users:
            raise ApiRefusal("invalidParameter.userIds.empty")
        if len(users) > MAX_USERS:
            raise ApiRefusal("invalidParameter.userIds.overMax")
        bubble, key = self._bubble(body), uuid.uuid4().hex
        for user in users:
            if self.book.reaches(user) and user not in self.book.flooded:
                self.rooms.show(self.rooms.person(user), key, bubble)
        return {
            "processQueryKey": key,
            "invalidStaffIdList": [user for user in users if not self.book.reaches(user)],
            "flowControlledStaffIdList": [user for user in users if user in self.book.flooded],
        }

    def to_group(self, body: Json) -> Json:
        """Answer `groupMessages/send`."""
        room = self.rooms.group(str(body.get("openConversationId", "")))
        if room is None:
            raise ApiRefusal("invalidParameter.openConversationId.notExist")
        key = uuid.uuid4().hex
        self.rooms.show(room, key, self._bubble(body))
        return {"processQueryKey": key}

    def _bubble(self, body: Json) -> Json:
        if body.get("robotCode") != self.robot_code:
            raise ApiRefusal("invalidParameter.robotCode.notExsit")  # spelled as DingTalk spells it
        key, param = body.get("msgKey"), _message_param(body)
        if key == "sampleImageMsg":
            return {"msgtype": "image", "picture": self.media.picture(param["photoURL"])}
        if key == "sampleFile":
            size = len(self.media.sent_file(param).data)
            return {"msgtype": "file", "name": param["fileName"], "size": size}
        return SHOWN_AS[str(key)](param)


def markdown_bubble(content: Json) -> Json:
    """Return what a phone shows of a text or a Markdown message."""
    text = content.get("text", content.get("content", ""))
    return {"msgtype": "markdown", "title": content.get("title", ""), "text": text}


def link_bubble(title: str, text: str, url: str) -> Json:
    """Return what a phone shows of one page to open."""
    return {"msgtype": "links", "links": [{"title": title, "text": text, "url": url}]}


SHOWN_AS: Mapping[str, Callable[[Json], Json]] = {
    "sampleText": markdown_bubble,
    "sampleMarkdown": markdown_bubble,
    "sampleLink": lambda param: link_bubble(param["title"], param["text"], param["messageUrl"]),
    "sampleActionCard": lambda param: link_bubble(param["title"], param["text"], param["singleURL"]),
}


def _message_param(body: Json) -> Json:
    """Return msgParam, which is JSON in a string and holds strings only."""
    raw, needed = body.get("msgParam"), NEEDED.get(str(body.get("msgKey")))
    if needed is None or not isinstance(raw, str):
        raise ApiRefusal("invalidParameter.msgParam.invalid", "msgParam is a JSON string")
    if len(raw.encode()) > MAX_PARAM_BYTES:
        raise ApiRefusal("invalidParameter.msgParam.tooLong")
    try:
        param = json.loads(raw)
    except ValueError:
        param = None
    if not isinstance(param, dict) or not needed <= param.keys():
        raise ApiRefusal("invalidParameter.msgParam.invalid")
    if not all(isinstance(value, str) for value in param.values()):
        raise ApiRefusal("invalidParameter.msgParam.invalid", "msgParam holds strings only")
    return param
