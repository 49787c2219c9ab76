"""Neutral parts → DingTalk payloads, by `type`:

markdown    {"title", "text"}; with "streamed", it ends the card it was shown on while it was written
card        {"out_track_id", "params", "fallback"}
picture     {"name", "alt", "data"}, data in base64 until it is uploaded
file        {"name", "data"}
table       {"title", "table"}, drawn and uploaded when it is sent
link        {"title", "text", "url", "picture_url"}
feedCard    {"links", "title", "text"}, the latter two for where there are no feeds
"""

from __future__ import annotations

from typing import Any

from bot.cards.cut import shorten
from bot.cards.dingtalk_card import card_as_message, card_params
from bot.cards.dingtalk_markdown import UNTITLED, cut_title, split, title_of
from bot.cards.dingtalk_words import chart_text, table_text
from bot.cards.file_name import file_name
from bot.cards.picture import TablePictures
from bot.platforms.base import CardRef
from handlers.messages import Article, Card, Chart, File, News, Part, Picture, Table, Text

NOT_SENT = "（没能发出：{name}）"
FEED_MOST = 8
LINK_TITLE_CHARS, LINK_TEXT_CHARS = 64, 500

Payload = dict[str, Any]


def render(part: Part, card: CardRef | None = None, pictures: TablePictures | None = None) -> list[Payload]:
    """Return the payloads that show this part, in order; pure.

    A card without a `CardRef` has nothing a press could be traced to and becomes Markdown. Without `pictures` every
    table is a list.
    """
    match part:
        case Text():
            payloads = _text(part)
        case Table():
            payloads = _table(part, pictures)
        case Chart():
            payloads = as_markdown(part.title, chart_text(part))
        case Card():
            payloads = [_card(part, card.public_id)] if card else as_markdown(part.title, card_as_message(part))
        case Picture():
            payloads = [{"type": "picture", "name": file_name(part.name), "alt": part.alt, "data": part.data}]
        case File():
            payloads = [{"type": "file", "name": file_name(part.name), "data": part.data}]
        case News():
            payloads = as_links(part)
    return payloads


def as_markdown(title: str, text: str) -> list[Payload]:
    """Return a text as messages under this title."""
    return [{"type": "markdown", "title": cut_title(title), "text": piece} for piece in split(text)]


def as_list(table: Table) -> list[Payload]:
    """Return a table as list lines."""
    return as_markdown(table.title, table_text(table))


def as_links(part: News) -> list[Payload]:
    """Return one page as a link, several as a feed where each has a picture, else as links in Markdown."""
    articles = [article for article in part.articles[:FEED_MOST] if article.url]
    if len(articles) == 1:
        return [{"type": "link", **_link(articles[0])}]
    listed = "\n".join(_line(article) for article in articles)
    payloads = as_markdown(articles[0].title if articles else UNTITLED, listed)
    if len(payloads) == 1 and all(article.picture_url for article in articles):
        return [payloads[0] | {"type": "feedCard", "links": [_link(article) for article in articles]}]
    return payloads


def words_of(payload: Payload) -> list[Payload]:
    """Return what is said in place of a picture, file or table that cannot be sent."""
    if payload["type"] == "table":
        return as_list(table_of(payload))
    if payload["type"] not in ("picture", "file"):
        return [payload]
    said = payload.get("alt") or NOT_SENT.format(name=payload["name"])
    return as_markdown(title_of(said), said)


def table_of(payload: Payload) -> Table:
    """Return the table of a payload."""
    title, columns, rows = (payload["table"][name] for name in ("title", "columns", "rows"))
    return Table(title, tuple(columns), tuple(map(tuple, rows)))


def _text(part: Text) -> list[Payload]:
    payloads = as_markdown(title_of(part.text), part.text)
    if part.streamed and payloads:
        payloads[0]["streamed"] = True
    return payloads


def _table(part: Table, pictures: TablePictures | None) -> list[Payload]:
    """A small table is a list; of a large one, a picture with the gist of it in words."""
    if pictures is None or not pictures.worth_picture(part):
        return as_list(part)
    table = {"title": part.title, "columns": list(part.columns), "rows": [list(row) for row in part.rows]}
    picture = {"type": "table", "title": cut_title(part.title), "table": table}
    return [picture, *as_markdown(part.title, pictures.short_text(part))]


def _link(article: Article) -> Payload:
    title, text = (
        shorten(article.title, LINK_TITLE_CHARS),
        shorten(article.description or article.title, LINK_TEXT_CHARS),
    )
    return {"title": title, "text": text, "url": article.url, "picture_url": article.picture_url}


def _line(article: Article) -> str:
    name = article.title.replace("[", "［").replace("]", "］")
    return f"- [{name}]({article.url})" + (f"：{article.description}" if article.description else "")


def _card(card: Card, public_id: str) -> Payload:
    fallback = as_markdown(card.title, card_as_message(card) or UNTITLED)[0]
    return {"type": "card", "out_track_id": public_id, "params": card_params(card), "fallback": fallback}
