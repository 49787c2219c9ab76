"""What the pretend WeCom makes of a message body: what a phone shows of it, or an errcode (docs 90236, 99110)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.wecom_api import BAD_PARAMETER, ApiError, at_most
from bot.sandbox.wecom_card_rules import first_fault
from bot.sandbox.wecom_media import MediaShelf

TEXT_BYTES = 2048
MEDIA_KINDS = frozenset({"image", "voice", "video", "file"})
TEXT_KINDS = frozenset({"text", "markdown"})


def shown_message(body: dict[str, Any], media: MediaShelf) -> dict[str, Any]:
    """Return what phones show of the body of message/send."""
    kind, content = message_of(body)
    if kind == "template_card":
        return {"msgtype": kind, kind: checked_card(content)}
    if kind in TEXT_KINDS:
        return {"msgtype": kind, kind: checked_text(content, TEXT_BYTES)}
    if kind in MEDIA_KINDS:
        kept = media.find(content.get("media_id"), kind)
        return {"msgtype": kind, kind: {"media_id": kept.id, "name": kept.name, "size": len(kept.data)}}
    if kind == "news":
        return {"msgtype": kind, kind: checked_news(content)}
    raise ApiError(40008, "invalid message type")


def message_of(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return msgtype and content of a body."""
    kind = str(body.get("msgtype"))
    content = body.get(kind)
    return kind, content if isinstance(content, dict) else {}


def checked_card(content: dict[str, Any], *, group: bool = False) -> dict[str, Any]:
    """Return a template card WeCom takes."""
    if fault := first_fault(content, group=group):
        raise ApiError(*fault)
    return content


def checked_text(content: dict[str, Any], limit: int) -> dict[str, str]:
    """Return a text that need not be cut."""
    text = content.get("content")
    if not isinstance(text, str) or not text.strip():
        raise ApiError(44004, "empty content")
    at_most("content", text, limit)
    return {"content": text}


def checked_news(content: dict[str, Any]) -> dict[str, Any]:
    """Return one to eight articles."""
    articles = content.get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
        raise ApiError(BAD_PARAMETER, "invalid articles")
    for article in articles:
        if not article.get("title") or not str(article.get("url") or "").startswith(("http://", "https://")):
            raise ApiError(BAD_PARAMETER, "an article needs title and url")
        for name, limit in (("title", 128), ("description", 512), ("url", 2048), ("picurl", 2048)):
            at_most(name, str(article.get(name) or ""), limit)
    return {"articles": articles}
