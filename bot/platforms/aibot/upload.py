"""Pictures and files into WeCom through the socket, in pieces (WeCom doc 101463)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from bot.platforms.aibot.acks import ask
from bot.platforms.aibot.connection import Link
from bot.platforms.base import Refused, TryLater, Unknown

INIT = "aibot_upload_media_init"
CHUNK = "aibot_upload_media_chunk"
FINISH = "aibot_upload_media_finish"

CHUNK_BYTES = 512 * 1024
MAX_CHUNKS = 100
# A media_id lives three days.
LIFE = timedelta(days=3)
AGAIN_SOON = 5.0

BAD_DATA = "文件内容损坏，发不出去"
EMPTY = "文件是空的，发不出去"
TOO_LARGE = "文件太大（{size} MB），智能机器人最多发 {limit} MB"
BROKEN_OFF = "上传中断，稍后再传"

Kind = Literal["image", "file"]


def bytes_of(data: str) -> bytes:
    """Return what base64 stands for; `Refused` says in Chinese why it cannot be sent."""
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Refused(BAD_DATA) from error
    if not raw:
        raise Refused(EMPTY)
    limit = MAX_CHUNKS * CHUNK_BYTES
    if len(raw) > limit:
        raise Refused(TOO_LARGE.format(size=len(raw) // 2**20, limit=limit // 2**20))
    return raw


async def upload(link: Link | None, kind: Kind, name: str, raw: bytes) -> str:
    """Return the media_id. Nobody has seen anything yet, so whatever breaks it off may be repeated."""
    try:
        return await _upload(link, kind, name, raw)
    except Unknown as error:
        raise TryLater(BROKEN_OFF, AGAIN_SOON) from error


async def _upload(link: Link | None, kind: Kind, name: str, raw: bytes) -> str:
    pieces = list(_pieces(raw))
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    about = {"type": kind, "filename": name, "total_size": len(raw), "total_chunks": len(pieces), "md5": md5}
    upload_id = (await ask(link, INIT, about)).get("upload_id")
    for number, piece in enumerate(pieces):
        body = {"upload_id": upload_id, "chunk_index": number, "base64_data": base64.b64encode(piece).decode()}
        await ask(link, CHUNK, body)
    media_id = (await ask(link, FINISH, {"upload_id": upload_id})).get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise TryLater(BROKEN_OFF, AGAIN_SOON)
    return media_id


def _pieces(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), CHUNK_BYTES):
        yield raw[start : start + CHUNK_BYTES]
