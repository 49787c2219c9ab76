"""Pictures and files on their way to WeCom (doc 90253; groups 99110).

A rendered payload names what is to be uploaded and the upload happens when it is sent:

    {"msgtype": "image", "table": {…}}                    drawn, then uploaded as a picture
    {"msgtype": "image", "upload": {"name", "data"}}      base64, as it stands in the part
    {"msgtype": "file", "upload": {"name", "data"}}
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

import anyio.to_thread

from bot.cards.picture import TablePictures
from bot.media_cache import MediaKind
from bot.media_cache import Upload as Uploader
from bot.platforms.base import Refused
from bot.platforms.wecom.wire import FilePart
from handlers.codec import load_part
from handlers.messages import Table

MEDIA_LIFE = timedelta(days=3)
MIN_BYTES = 6  # "more than 5 bytes"
MAX_IMAGE_BYTES = 10 * 2**20
MAX_GROUP_IMAGE_BYTES = 2 * 2**20
MAX_FILE_BYTES = 20 * 2**20
PICTURE_HEADS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}
NAME_CHARACTERS = re.compile(r"[^0-9A-Za-z._-]+")
NAME_CHARS = 64
TABLE_NAME = "table.png"

NO_DATA = "{name} 的内容读不出来"
TOO_SMALL = "{name} 是空的"
TOO_LARGE = "{name} 太大（{size:.1f} MB），企业微信最多收 {limit} MB"
NO_PICTURE = "{name} 不是 PNG 或 JPG 图片，企业微信不收"
NO_DRAWING = "没有画表格的工具，表格发不出去"


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """Bytes with the name a person gave them."""

    kind: Literal["image", "file"]
    name: str
    data: bytes

    def file(self) -> FilePart:
        """Return what travels: under a name of ASCII letters, which WeCom reads rightly."""
        return FilePart(ascii_name(self.name, self.data), self.data)


async def upload_of(payload: Mapping[str, Any], pictures: TablePictures | None) -> Upload | None:
    """Return what the payload wants uploaded, drawn in a thread if need be; None when it is complete as it is."""
    if table := payload.get("table"):
        return Upload("image", TABLE_NAME, await _draw(load_part(table), pictures))
    if wanted := payload.get("upload"):
        kind: Literal["image", "file"] = "image" if payload["msgtype"] == "image" else "file"
        return Upload(kind, str(wanted["name"]), _bytes(wanted))
    return None


def check(upload: Upload, max_image: int = MAX_IMAGE_BYTES) -> None:
    """Raise `Refused` for what WeCom would not take."""
    limit = max_image if upload.kind == "image" else MAX_FILE_BYTES
    if len(upload.data) < MIN_BYTES:
        raise Refused(TOO_SMALL.format(name=upload.name))
    if len(upload.data) > limit:
        raise Refused(TOO_LARGE.format(name=upload.name, size=len(upload.data) / 2**20, limit=limit // 2**20))
    if upload.kind == "image" and not _picture_type(upload.data):
        raise Refused(NO_PICTURE.format(name=upload.name))


def ascii_name(name: str, data: bytes) -> str:
    """Return a name of ASCII letters with the same ending, a part of the digest where no letter is left."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, ending) if dot else (name, "")
    letters = NAME_CHARACTERS.sub("-", stem).strip("-._")[:NAME_CHARS] or hashlib.sha256(data).hexdigest()[:12]
    kept = NAME_CHARACTERS.sub("", ending)[:8] or _picture_type(data)
    return f"{letters}.{kept}" if kept else letters


class MediaStore(Protocol):
    """Where it stands what was uploaded; `bot.media_cache.MediaCache` is one for all replicas."""

    async def reference(self, account: str, kind: MediaKind, data: bytes, upload: Uploader) -> str:
        """Return what the platform calls these bytes, uploaded now if need be."""
        ...

    async def forget(self, account: str, kind: MediaKind, data: bytes) -> None:
        """Forget an upload that the platform does not know any more."""
        ...


class Uploads:
    """Uploads each file of an account once while WeCom keeps it."""

    def __init__(self, send: Callable[[Upload], Awaitable[str]], account: str, store: MediaStore | None) -> None:
        self._send = send
        self._account = account
        self._store = store or OwnMedia()
        self._lock = asyncio.Lock()

    async def media_id(self, upload: Upload) -> str:
        """Return the media id; several who want the same at once cause one upload."""
        check(upload)

        async def send() -> tuple[str, timedelta]:
            return await self._send(upload), MEDIA_LIFE

        async with self._lock:
            return await self._store.reference(self._account, upload.kind, upload.data, send)

    async def forget(self, upload: Upload) -> None:
        """Let the next one upload again."""
        await self._store.forget(self._account, upload.kind, upload.data)


class OwnMedia:
    """A store for one process alone. It never forgets by itself: WeCom says when an upload is gone."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], str] = {}

    async def reference(self, account: str, kind: MediaKind, data: bytes, upload: Uploader) -> str:
        """Return the known reference, or that of an upload made now."""
        key = account, kind, hashlib.sha256(data).hexdigest()
        if key not in self._known:
            self._known[key], _ = await upload()
        return self._known[key]

    async def forget(self, account: str, kind: MediaKind, data: bytes) -> None:
        """Forget an upload."""
        self._known.pop((account, kind, hashlib.sha256(data).hexdigest()), None)


async def _draw(part: object, pictures: TablePictures | None) -> bytes:
    if pictures is None or not isinstance(part, Table):
        raise Refused(NO_DRAWING)
    return await anyio.to_thread.run_sync(pictures.draw_table, part)


def _bytes(wanted: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(wanted["data"]), validate=True)
    except binascii.Error as error:
        raise Refused(NO_DATA.format(name=wanted["name"])) from error


def _picture_type(data: bytes) -> str:
    return next((ending for head, ending in PICTURE_HEADS.items() if data.startswith(head)), "")
