"""Payloads of the renderer as DingTalk's bodies, one form for each way a message can go.

    session webhook, custom robot    {"msgtype": "markdown", "markdown": {…}}
    robot API                        msgKey and msgParam, the latter JSON in a string

The same thing has other names on each way: a link's address is `messageUrl`, `messageURL` or `singleURL`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

Payload = Mapping[str, Any]

MARKDOWN = {"title": "title", "text": "text"}
LINK = MARKDOWN | {"messageUrl": "url", "picUrl": "picture_url"}
FEED = {"title": "title", "messageURL": "url", "picURL": "picture_url"}
ACTION = MARKDOWN | {"singleTitle": "action", "singleURL": "url"}


@dataclass(frozen=True, slots=True)
class RobotMessage:
    """A message of the robot API."""

    key: str
    param: Mapping[str, str]

    def body(self, robot_code: str) -> dict[str, Any]:
        """Return what every call that sends it carries."""
        param = json.dumps(dict(self.param), ensure_ascii=False)
        return {"robotCode": robot_code, "msgKey": self.key, "msgParam": param}


def webhook_body(payload: Payload) -> dict[str, Any] | None:
    """Return the body for a webhook; None for what a webhook cannot carry (pictures, files)."""
    kind = payload["type"]
    content = WEBHOOK_CONTENT.get(kind)
    return {"msgtype": kind, kind: content(payload)} if content else None


def robot_message(payload: Payload) -> RobotMessage:
    """Return the message for the robot API; pictures and files are named by the media id they were uploaded under."""
    key, param = ROBOT_CONTENT[payload["type"]]
    return RobotMessage(key, param(payload))


def suffix_of(name: str) -> str:
    """Return the type of a file as DingTalk wants it: `pdf`."""
    return PurePath(name).suffix.removeprefix(".").lower() or "txt"


def _named(names: Mapping[str, str]) -> Callable[[Payload], dict[str, str]]:
    return lambda payload: {theirs: payload[ours] for theirs, ours in names.items()}


def _feed(payload: Payload) -> dict[str, Any]:
    return {"links": [_named(FEED)(link) for link in payload["links"]]}


def _file(payload: Payload) -> dict[str, str]:
    return {"mediaId": payload["media"], "fileName": payload["name"], "fileType": suffix_of(payload["name"])}


WEBHOOK_CONTENT: Mapping[str, Callable[[Payload], dict[str, Any]]] = {
    "markdown": _named(MARKDOWN),
    "link": _named(LINK),
    "feedCard": _feed,
    "actionCard": _named(ACTION),
}
ROBOT_CONTENT: Mapping[str, tuple[str, Callable[[Payload], dict[str, str]]]] = {
    "markdown": ("sampleMarkdown", _named(MARKDOWN)),
    "link": ("sampleLink", _named(LINK)),
    # The robot API has no feed; the payload says the same in Markdown.
    "feedCard": ("sampleMarkdown", _named(MARKDOWN)),
    "picture": ("sampleImageMsg", _named({"photoURL": "media"})),
    "file": ("sampleFile", _file),
}
