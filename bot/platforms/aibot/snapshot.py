"""What a stream shows: the whole answer so far, in one frame (WeCom doc 101031).

A frame replaces what was shown before. It holds at most 20480 bytes of UTF-8, one template card per message, and
pictures only when it is the last.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.cards.aibot import MAX_MARKDOWN_BYTES, MAX_PIECE_BYTES, part_of, words_of
from bot.cards.wecom_text import byte_size
from db.streams import IN_STREAM, Accepts, Piece, StreamView
from handlers.messages import Picture

STREAM = "stream"
# WeCom stops asking six minutes after the message (doc 101031); half a minute earlier the rest goes another way.
LIMIT = timedelta(minutes=5, seconds=30)
MAX_PICTURES = 10
# JPG and PNG, 10 MB each. What a stream may hold is less: all of it is read at every poll.
MAX_PICTURE_LETTERS = 2_000_000
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")

WAITING = "正在为您查询…"
SEE_CARD = "请看下面的卡片："
SEE_PICTURE = "请看下面的图片："


def frame(stream: str, content: str, *, finish: bool) -> dict[str, Any]:
    """Return a frame of text."""
    return {"msgtype": STREAM, "stream": {"id": stream, "finish": finish, "content": content}}


def first_frame(stream: str) -> dict[str, Any]:
    """Return the frame that answers a message at once; only this one may ask for a thumb."""
    shown = frame(stream, WAITING, finish=False)
    shown["stream"]["feedback"] = {"id": stream}
    return shown


def snapshot(view: StreamView, by: str, *, finish: bool, note: str = "", nothing: str = WAITING) -> dict[str, Any]:
    """Return everything the stream holds for the fetch `by`, with `note` under it; `nothing` where it is empty."""
    pieces = streamed(view)
    card = next((piece.payload["template_card"] for piece in pieces if is_card(piece) and piece.shown == by), None)
    pictures = [item for piece in pieces if (item := picture_item(piece))] if finish else []
    words = [words_of(piece.payload) for piece in pieces if piece.payload["msgtype"] == "markdown"]
    said = "\n\n".join(filter(None, [*words, "" if finish else view.live, note]))
    shown = frame(view.public_id, cut(said or _words_without_text(pieces, nothing)), finish=finish)
    if pictures:
        shown["stream"]["msg_item"] = pictures
    return shown if card is None else shown | {"msgtype": "stream_with_template_card", "template_card": card}


def accepts(now: datetime) -> Accepts:
    """Return whether a stream can still take a piece, and whether it has room for it."""

    def decide(view: StreamView, piece: Piece) -> bool:
        if view.state != "open" or now >= view.opened_at + LIMIT:
            return False
        held = streamed(view)
        if piece.payload["msgtype"] == "image":
            return picture_item(piece) is not None and _has_room_for_picture(held, piece)
        if is_card(piece):
            return not any(map(is_card, held))
        texts = [words_of(one.payload) for one in (*held, piece) if one.payload["msgtype"] == "markdown"]
        return byte_size("\n\n".join(texts)) <= MAX_PIECE_BYTES

    return decide


def streamed(view: StreamView) -> tuple[Piece, ...]:
    """Return the pieces that are shown in the stream."""
    return tuple(piece for piece in view.pieces if piece.way == IN_STREAM)


def is_card(piece: Piece) -> bool:
    """Whether the piece is a template card of the stream, of which WeCom takes one for each message."""
    return piece.way == IN_STREAM and piece.payload["msgtype"] == "template_card"


def picture_item(piece: Piece) -> dict[str, Any] | None:
    """Return a picture as a frame carries it; None for what is none WeCom takes."""
    if piece.payload["msgtype"] != "image":
        return None
    part = part_of(piece.payload)
    data = part.data if isinstance(part, Picture) else ""
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error:
        return None
    if not raw.startswith(PICTURE_STARTS):
        return None
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": data, "md5": md5}}


def cut(text: str, limit: int = MAX_MARKDOWN_BYTES) -> str:
    """Return as much of the text as fits into so many bytes, never half a character."""
    return text.encode()[:limit].decode(errors="ignore")


def _has_room_for_picture(held: Sequence[Piece], piece: Piece) -> bool:
    pictures = [one.payload["part"]["data"] for one in (*held, piece) if one.payload["msgtype"] == "image"]
    return len(pictures) <= MAX_PICTURES and sum(map(len, pictures)) <= MAX_PICTURE_LETTERS


def _words_without_text(pieces: Sequence[Piece], nothing: str) -> str:
    if any(map(is_card, pieces)):
        return SEE_CARD
    return SEE_PICTURE if pieces else nothing
