"""What DingTalk pushes down a Stream socket: the frame around it, a bot message, a button press.

The shapes follow DingTalk's own pages on robot messages and card callbacks; `data` is JSON inside JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MESSAGE_TOPIC = "/v1.0/im/bot/messages/get"
PRESS_TOPIC = "/v1.0/card/instances/callback"
CORP = "dingsandbox"
ROBOT_USER = "$:LWCP_v1:$robot"


@dataclass(frozen=True, slots=True)
class Written:
    """Something a person typed; `group` is the title of the group, "" in a one-to-one conversation."""

    user_id: str
    text: str
    conversation: str
    message_id: str
    webhook: str
    webhook_ends_ms: int
    created_ms: int
    robot_code: str
    group: str = ""


def frame(topic: str, data: Any, message_id: str, time_ms: int, kind: str = "CALLBACK") -> str:
    """Return the text of one frame."""
    headers = {
        "appId": "sandbox",
        "connectionId": "sandbox",
        "contentType": "application/json",
        "messageId": message_id,
        "time": str(time_ms),
        "topic": topic,
    }
    body = {"specVersion": "1.0", "type": kind, "headers": headers, "data": json.dumps(data, ensure_ascii=False)}
    return json.dumps(body, ensure_ascii=False)


def bot_message(written: Written) -> dict[str, Any]:
    """Return the data of a text message; in a group the text keeps the space that stood after "@robot"."""
    message: dict[str, Any] = {
        "conversationId": written.conversation,
        "conversationType": "1",
        "msgId": written.message_id,
        "createAt": written.created_ms,
        "msgtype": "text",
        "text": {"content": written.text},
        "senderId": f"$:LWCP_v1:${written.user_id}",
        "senderStaffId": written.user_id,
        "senderNick": written.user_id,
        "senderCorpId": CORP,
        "senderPlatform": "Android",
        "isAdmin": False,
        "chatbotCorpId": CORP,
        "chatbotUserId": ROBOT_USER,
        "robotCode": written.robot_code,
        "sessionWebhook": written.webhook,
        "sessionWebhookExpiredTime": written.webhook_ends_ms,
    }
    return message | _group_fields(written) if written.group else message


def _group_fields(written: Written) -> dict[str, Any]:
    return {
        "conversationType": "2",
        "conversationTitle": written.group,
        "isInAtList": True,
        "atUsers": [{"dingtalkId": ROBOT_USER}],
        "text": {"content": f" {written.text}"},
    }


def card_press(user_id: str, out_track_id: str, button: str, conversation: str) -> dict[str, Any]:
    """Return the data of a press on a button of a template card."""
    content = json.dumps({"cardPrivateData": {"actionIds": [button], "params": {}}})
    return {
        "type": "actionCallback",
        "outTrackId": out_track_id,
        "corpId": CORP,
        "userId": user_id,
        "userIdType": 1,
        "spaceType": "IM",
        "spaceId": conversation,
        "extension": "{}",
        "content": content,
        "value": content,
    }


def over_quota(written: Written) -> dict[str, Any]:
    """Return what comes in place of a message once the month's quota is spent: no contents, no type."""
    kept = ("conversationId", "conversationType", "msgId", "createAt", "senderStaffId", "robotCode")
    message = bot_message(written)
    return {name: message[name] for name in kept} | {"errorCode": 20001, "errorMessage": "over quota"}


def pressed_answer(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables a press was answered with; DingTalk shows them to the person who pressed only.

    An acknowledgement of the Stream carries the answer as JSON under `response`, an HTTP answer is it.
    """
    response = json.loads(answer["data"] or "{}").get("response") if "data" in answer else answer
    card = response.get("cardData") if isinstance(response, dict) else None
    params = card.get("cardParamMap") if isinstance(card, dict) else None
    return {str(name): str(value) for name, value in params.items()} if isinstance(params, dict) else {}
