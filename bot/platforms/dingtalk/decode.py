"""DingTalk frames → `Update`: the last place that sees the raw JSON.

Forgiving on purpose: `content` comes as an object or as a JSON string, fields are missing for outsiders, new
message types appear without notice. Only what can never be answered (no object, no id) is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from handlers.messages import Address, Press, Update, UpdateKind

PLATFORM = "dingtalk"
OVER_QUOTA = "20001"
GROUP = "2"
KEY_CHARS = 191
LEADING_MENTION = re.compile(r"^\s*@\S+\s*")

Raw = Mapping[str, Any]


class Undecodable(ValueError):
    """A frame that can never be answered; the message names the missing field."""


def is_over_quota(data: Any) -> bool:
    """Tell whether this is the frame without text that arrives once the month's quota is spent."""
    return isinstance(data, Mapping) and str(data.get("errorCode", "")) == OVER_QUOTA


def decode_message(data: Any, tenant: str, received_at: datetime) -> Update:
    """Return what a person wrote to the robot; `Undecodable` when it has no id.

    The same message may come twice under two `messageId`s, and two robots in one group get the same `msgId`:
    the key is `msgId` together with the robot.
    """
    raw = _object(data, "data")
    robot = _string(raw, "robotCode") or _string(raw, "chatbotUserId")
    address = _message_address(raw)
    kind, text, note = _content(raw) if address.user_id else ("other", "", "outsider")
    key = _key("msg", robot, _required(raw, "msgId"))
    return Update(tenant, key, kind, address, received_at, text=text, note=note)


def decode_press(data: Any, tenant: str, received_at: datetime, message_id: str) -> Update:
    """Return which button of which card was pressed; `Undecodable` without card, button or person.

    The key is the frame's own id: the same person may press the same button again on purpose, after a failed
    launch for example, so card, button and person do not identify a delivery. A press that is redelivered under
    a new id finds the card already done. The key of the button stays as it came: DingTalk appends the index to
    the id of a button bound to an array, and only the card's own list of keys can tell that from a name.

    The frame does not say whether the card stands in a group, so the address is the person who pressed; the
    card's own row knows the conversation.
    """
    raw = _object(data, "data")
    user_id = _required(raw, "userId")
    press = Press(_required(raw, "outTrackId"), _pressed_button(raw))
    hints = {"spaceType": _string(raw, "spaceType"), "spaceId": _string(raw, "spaceId")}
    address = Address(PLATFORM, one_to_one(user_id), user_id, hints=hints)
    return Update(tenant, _key("press", message_id or _fingerprint(raw)), "press", address, received_at, press=press)


def one_to_one(user_id: str) -> str:
    """Return the conversation of one person: answers and pushes share it."""
    return f"user:{user_id.casefold()}"


def _message_address(raw: Raw) -> Address:
    user_id, conversation = _string(raw, "senderStaffId"), _string(raw, "conversationId")
    group = _string(raw, "conversationType") == GROUP
    key = one_to_one(user_id) if user_id and not group else conversation
    return Address(PLATFORM, key, user_id, group=group, hints=_hints(raw))


def _hints(raw: Raw) -> dict[str, Any]:
    hints: dict[str, Any] = {"conversationId": _string(raw, "conversationId")}
    webhook, expires = _string(raw, "sessionWebhook"), _string(raw, "sessionWebhookExpiredTime")
    if webhook and expires.isdecimal():
        hints |= {"sessionWebhook": webhook, "sessionWebhookExpiredTime": int(expires)}
    return hints


def _content(raw: Raw) -> tuple[UpdateKind, str, str]:
    kind = _string(raw, "msgtype")
    body = _maybe_object(raw.get("content"))
    if kind == "text":
        text = _string(_maybe_object(raw.get("text")), "content") or _string(body, "content")
        return "text", text, ""
    if kind == "richText" and (text := _rich_text(body, in_group=_string(raw, "conversationType") == GROUP)):
        return "text", text, ""
    if kind == "audio" and (text := _string(body, "recognition")):
        return "text", text, ""
    return "other", "", kind or "no msgtype"


def _rich_text(body: Raw, *, in_group: bool) -> str:
    """Join the text segments; in a group the first may repeat "@robot" (HarmonyOS clients)."""
    items = body.get("richText")
    segments = [_segment(item) for item in items] if isinstance(items, list) else []
    texts = [text for text in segments if text.strip()]
    if texts and in_group:
        texts[0] = LEADING_MENTION.sub("", texts[0])
    return "".join(texts).strip()


def _segment(item: Any) -> str:
    raw = _maybe_object(item)
    if _string(raw, "type") not in ("", "text"):
        return ""
    text = raw.get("text")
    return _clean(text) if isinstance(text, str) else ""


def _pressed_button(raw: Raw) -> str:
    """Find the id where the clients put it: actionIds, a top-level actionId, or the params."""
    content = _maybe_object(raw.get("content")) or _maybe_object(raw.get("value"))
    private = _maybe_object(content.get("cardPrivateData"))
    ids = private.get("actionIds")
    first = ids[0] if isinstance(ids, list) and ids else ""
    params = _maybe_object(private.get("params")) or _maybe_object(content.get("params"))
    found = [first, content.get("actionId"), raw.get("actionId"), params.get("id"), params.get("actionId")]
    for button in found:
        if isinstance(button, str) and button:
            return _clean(button)
    raise Undecodable("actionIds")


def _object(value: Any, name: str) -> Raw:
    if not isinstance(value, Mapping):
        raise Undecodable(name)
    return value


def _maybe_object(value: Any) -> Raw:
    """Return an object given as itself or as a JSON string, else an empty one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _required(raw: Raw, name: str) -> str:
    value = _string(raw, name)
    if not value:
        raise Undecodable(name)
    return value


def _string(raw: Raw, name: str) -> str:
    value = raw.get(name)
    return _clean(str(value)).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _clean(text: str) -> str:
    """Drop what a database refuses: a lone surrogate (half an emoji) and NUL."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _key(*parts: str) -> str:
    key = ":".join(parts)
    return key if len(key) <= KEY_CHARS else f"{parts[0]}:{hashlib.sha256(key.encode()).hexdigest()}"


def _fingerprint(raw: Raw) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
