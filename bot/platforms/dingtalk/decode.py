"""DingTalk's messages and presses → `Update`: the last place that sees the raw JSON, whatever brought it.

Forgiving on purpose: `content` comes as an object or as a JSON string, fields are missing for outsiders, new
message types appear without notice. Only what can never be answered (no object, no id) is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.cards.dingtalk_choice import chosen_by
from bot.platforms.dingtalk.content import Content, content_of, quoted
from bot.platforms.dingtalk.raw import (
    Raw,
    Undecodable,
    clean,
    maybe_list,
    maybe_object,
    required_object,
    required_text,
    text_of,
)
from handlers.messages import OVER_QUOTA, STALE, Address, Press, Update

PLATFORM = "dingtalk"
QUOTA_SPENT = "20001"
GROUP = "2"
KEY_CHARS = 191
MILLISECONDS = re.compile(r"[0-9]{10,16}")
# A backlog that comes after an outage is not answered: the question has been asked again, or is no longer one.
STALE_SECONDS = 1800.0
OUTSIDER = "outsider"

Seal = Callable[[str], str]


def is_over_quota(data: Any) -> bool:
    """Tell whether this is what arrives without contents once the month's quota is spent; events name it `errCode`."""
    if not isinstance(data, Mapping):
        return False
    return QUOTA_SPENT in (str(data.get("errorCode", "")), str(data.get("errCode", "")))


def decode_message(
    data: Any, tenant: str, received_at: datetime, seal: Seal = str, surely: datetime | None = None
) -> Update:
    """Return what a person wrote to the robot; `Undecodable` when it has no id.

    The same message may come twice under two frame ids, and two robots in one group get the same `msgId`: the key
    is `msgId` together with the robot. One from more than half an hour ago is kind "other" with the note "stale";
    `surely` is the moment its age is told by, where `received_at` may be ahead. One without contents, because the
    quota is spent, is kind "other" with the note "over_quota".
    `seal` makes the session webhook unreadable, with which anybody could write into the conversation.
    """
    raw = required_object(data, "data")
    robot = text_of(raw, "robotCode") or text_of(raw, "chatbotUserId")
    address = _message_address(raw, seal)
    content = _content(raw, address, surely or received_at)
    return Update(
        tenant,
        _key("msg", robot, required_text(raw, "msgId")),
        content.kind,
        address,
        received_at,
        text=content.text,
        note=content.note,
        attachments=content.attachments,
        quote=quoted(raw) if content.kind != "other" else "",
    )


def decode_press(data: Any, tenant: str, received_at: datetime, delivery: str) -> Update:
    """Return which button of which card was pressed; `Undecodable` without card, button or person.

    The key is the delivery's own id: the same person may press the same button again on purpose, after a failed
    launch for example, so card, button and person do not identify a delivery. A press that is redelivered under
    a new id finds the card already done. The key of the button stays as it came: DingTalk appends the index to
    the id of a button bound to an array, and only the card's own list of keys can tell that from a name.

    The data do not say whether the card stands in a group, so the address is the person who pressed; the card's
    own row knows the conversation.
    """
    raw = required_object(data, "data")
    user_id, card = required_text(raw, "userId"), required_text(raw, "outTrackId")
    button, selected = chosen_by(_pressed_button(raw))
    hints = {"spaceType": text_of(raw, "spaceType"), "spaceId": text_of(raw, "spaceId")}
    address = Address(PLATFORM, one_to_one(user_id), user_id, hints=hints)
    key = _key("press", delivery or _fingerprint(raw))
    return Update(tenant, key, "press", address, received_at, press=Press(card, button, selected))


def one_to_one(user_id: str) -> str:
    """Return the conversation of one person: answers and pushes share it."""
    return f"user:{user_id.casefold()}"


def _content(raw: Raw, address: Address, now: datetime) -> Content:
    if is_over_quota(raw):
        return Content("other", note=OVER_QUOTA)
    if not address.user_id:
        return Content("other", note=OUTSIDER)
    if _is_stale(text_of(raw, "createAt"), now):
        return Content("other", note=STALE)
    return content_of(raw, in_group=address.group)


def _is_stale(created_ms: str, now: datetime) -> bool:
    return bool(MILLISECONDS.fullmatch(created_ms)) and now.timestamp() - int(created_ms) / 1000 > STALE_SECONDS


def _message_address(raw: Raw, seal: Seal) -> Address:
    user_id, conversation = text_of(raw, "senderStaffId"), text_of(raw, "conversationId")
    group = text_of(raw, "conversationType") == GROUP
    key = one_to_one(user_id) if user_id and not group else conversation
    return Address(PLATFORM, key, user_id, group=group, hints=_hints(raw, seal))


def _hints(raw: Raw, seal: Seal) -> dict[str, Any]:
    hints: dict[str, Any] = {"conversationId": text_of(raw, "conversationId")}
    webhook, expires = text_of(raw, "sessionWebhook"), text_of(raw, "sessionWebhookExpiredTime")
    if webhook and MILLISECONDS.fullmatch(expires):
        hints |= {"sessionWebhook": seal(webhook), "sessionWebhookExpiredTime": int(expires)}
    return hints


def _pressed_button(raw: Raw) -> str:
    """Find the id where the clients put it: params of our own template, actionIds, a top-level actionId, params."""
    content = maybe_object(raw.get("content")) or maybe_object(raw.get("value"))
    private = maybe_object(content.get("cardPrivateData"))
    params = maybe_object(private.get("params")) or maybe_object(content.get("params"))
    ids = maybe_list(private.get("actionIds"))
    found = [params.get("action"), ids[0] if ids else "", content.get("actionId"), raw.get("actionId")]
    for button in [*found, params.get("id"), params.get("actionId")]:
        if isinstance(button, str) and button:
            return clean(button)
    raise Undecodable("actionIds")


def _key(*parts: str) -> str:
    key = clean(":".join(parts))
    return key if len(key) <= KEY_CHARS else f"{parts[0]}:{hashlib.sha256(key.encode()).hexdigest()}"


def _fingerprint(raw: Raw) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
