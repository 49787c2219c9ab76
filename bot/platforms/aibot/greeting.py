"""What a person reads when they open the chat, once a day by WeCom's own count (doc 101027)."""

from __future__ import annotations

from typing import Any

WELCOME = "您好，我是{name}。直接发一句话就行，比如「最近7天GMV」；发「/帮助」看看我能做什么。"
DEFAULT_NAME = "导购助手"


def greeting(name: str) -> dict[str, Any]:
    """Return the message; plain text is taken here only (doc 101031)."""
    return {"msgtype": "text", "text": {"content": WELCOME.format(name=name or DEFAULT_NAME)}}
