"""The conversations of the pretend DingTalk's robot and the phones that show them.

What stands on a phone, by `msgtype`:
    text      {"msgtype", "text"}                                   typed by the person
    markdown  {"msgtype", "title", "text"}                          from the robot
    image     {"msgtype", "picture"}                                an address, or the picture itself in one
    file      {"msgtype", "name", "size"}
    links     {"msgtype", "links": [{"title", "text", "url"}]}
    card      {"msgtype", "cardTemplateId", "callbackType", "cardParamMap"}; message id: outTrackId
Each also names its "conversationId".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bot.sandbox.phones import Phones, Shown

PLATFORM = "dingtalk"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation: its id, who sees it, and the title of a group, "" for one to one."""

    conversation: str
    users: tuple[str, ...]
    title: str = ""


class Rooms:
    """Every room the robot is in."""

    def __init__(self, phones: Phones) -> None:
        self._phones = phones
        self._groups: dict[str, Room] = {}

    def add_group(self, conversation: str, title: str, members: tuple[str, ...]) -> None:
        """Make a group with the robot in it."""
        self._groups[conversation] = Room(conversation, members, title)

    def group(self, conversation: str) -> Room | None:
        """Return a group the robot is in."""
        return self._groups.get(conversation)

    @staticmethod
    def person(user_id: str) -> Room:
        """Return the conversation of one person and the robot."""
        return Room(f"cid-{user_id}==", (user_id,))

    def show(self, room: Room, message_id: str, bubble: Json, direction: Literal["in", "out"] = "in") -> None:
        """Put a bubble on every phone of the room."""
        for user in room.users:
            shown = bubble | {"conversationId": room.conversation}
            self._phones.show(PLATFORM, user, message_id, shown, direction)

    def change(self, copy: Shown, bubble: Json) -> None:
        """Put another bubble in the place of one."""
        self._phones.show(PLATFORM, copy.user_id, copy.message_id, bubble)

    def copies(self, message_id: str) -> list[Shown]:
        """Return every phone's copy of a message."""
        return self._phones.find(PLATFORM, message_id)

    def copy(self, user_id: str, message_id: str) -> Shown:
        """Return one phone's copy of a message; `LookupError` when it does not show it."""
        for shown in self.copies(message_id):
            if shown.user_id == user_id:
                return shown
        raise LookupError(f"no message {message_id} on the phone of {user_id}")
