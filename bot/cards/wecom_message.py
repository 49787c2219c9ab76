"""Text messages of WeCom: Markdown where there is something to draw, plain text elsewhere, cut by bytes."""

from __future__ import annotations

from typing import Any

from bot.cards.markdown import for_wecom_app
from bot.cards.wecom_text import clean, has_markdown, split_text


def message(kind: str, content: str) -> dict[str, Any]:
    """Return one message body of this msgtype."""
    return {"msgtype": kind, kind: {"content": content}}


def text_messages(text: str) -> list[dict[str, Any]]:
    """Return the bodies that show the text; none for an empty one."""
    said = for_wecom_app(clean(text))
    kind = "markdown" if has_markdown(said) else "text"
    return [message(kind, piece) for piece in split_text(said)]
