"""Pages to open as WeCom's news messages (docs 90236, 99110: the same in an app and in a group)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.cards.wecom_limits import MAX_URL_BYTES, WEB_ADDRESS, IllegalValue, LimitExceeded
from bot.cards.wecom_text import byte_size, one_line, plain
from handlers.messages import Article, News

MAX_ARTICLES = 8
MAX_TITLE_BYTES = 128
MAX_DESCRIPTION_BYTES = 512
ELLIPSIS = "…"


def news_messages(news: News) -> Iterator[dict[str, Any]]:
    """Yield messages of at most eight articles; `IllegalValue` or `LimitExceeded` for an address WeCom refuses."""
    for start in range(0, len(news.articles), MAX_ARTICLES):
        articles = [_article(article) for article in news.articles[start : start + MAX_ARTICLES]]
        yield {"msgtype": "news", "news": {"articles": articles}}


def _article(article: Article) -> dict[str, str]:
    body = {
        # WeCom wants a title; a page without one is called by its address.
        "title": _fit(one_line(article.title) or article.url, MAX_TITLE_BYTES),
        "description": _fit(plain(article.description), MAX_DESCRIPTION_BYTES),
        "url": _address("articles.url", article.url),
    }
    if article.picture_url:
        body["picurl"] = _address("articles.picurl", article.picture_url)
    return {name: value for name, value in body.items() if value}


def _address(field: str, url: str) -> str:
    if not WEB_ADDRESS.fullmatch(url):
        raise IllegalValue(f"{field}: must begin with http:// or https://")
    if byte_size(url) > MAX_URL_BYTES:
        raise LimitExceeded(field, byte_size(url), MAX_URL_BYTES)
    return url


def _fit(text: str, limit: int) -> str:
    """Return the text in at most `limit` bytes of UTF-8, with an ellipsis where something is gone."""
    if byte_size(text) <= limit:
        return text
    return text.encode()[: limit - byte_size(ELLIPSIS)].decode(errors="ignore").rstrip() + ELLIPSIS
