"""Uploads to the pretend WeCom: type and size are looked at, ids live three days (WeCom doc 90253)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from aiohttp import BodyPartReader, web

from bot.sandbox.phones import KeptFile, Phones
from bot.sandbox.wecom_api import Answer, ApiError

LIFE_SECONDS = 3 * 86400
# Above the largest file and what multipart puts around it: for the server that carries these calls.
MAX_REQUEST_BYTES = 32 * 2**20
MEGABYTE = 2**20
LIMITS = {"image": 10 * MEGABYTE, "voice": 2 * MEGABYTE, "video": 10 * MEGABYTE, "file": 20 * MEGABYTE}
HEADS = {
    "image": (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"),
    "voice": (b"#!AMR",),
    "video": (b"",),
    "file": (b"",),
}
SIZE_CODES = {"image": 40009, "video": 40011}


class MediaShelf:
    """What was uploaded, kept with the phones so that they can show it."""

    def __init__(self, phones: Phones, clock: Callable[[], float]) -> None:
        self._phones = phones
        self._clock = clock

    async def upload(self, request: web.Request) -> Answer:
        """Answer media/upload."""
        return await self.take(request, LIMITS)

    async def take(self, request: web.Request, limits: dict[str, int], owner: str = "") -> Answer:
        """Keep the file of a multipart request; what belongs to an `owner` only that one can send."""
        kind = request.query.get("type", "")
        if kind not in limits:
            raise ApiError(40005, "invalid type")
        name, data = await _part(request)
        _check(kind, data, limits[kind])
        media_id = secrets.token_urlsafe(32)
        self._phones.keep(KeptFile(f"{owner}{media_id}", kind, name, data, self._clock()))
        return {"type": kind, "media_id": media_id, "created_at": str(int(self._clock()))}

    def find(self, media_id: object, kind: str, owner: str = "") -> KeptFile:
        """Return an upload that can be sent as this kind."""
        kept = self._phones.kept(f"{owner}{media_id}")
        if kept is None or kept.kind != kind or self._clock() - kept.kept_at > LIFE_SECONDS:
            raise ApiError(40007, "invalid media_id")
        return kept


async def _part(request: web.Request) -> tuple[str, bytes]:
    """Return name and bytes of the part named `media`; a name that is not plain ASCII is not read."""
    if not request.content_type.startswith("multipart/"):
        raise ApiError(41005, "media data missing")
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "media" and part.filename and part.filename.isascii():
            return part.filename, bytes(await part.read())
    raise ApiError(44001, "empty media data")


def _check(kind: str, data: bytes, limit: int) -> None:
    if len(data) <= 5:
        raise ApiError(44001, "empty media data")
    if len(data) > limit:
        raise ApiError(SIZE_CODES.get(kind, 45001), "media size out of limit")
    if not data.startswith(HEADS[kind]):
        raise ApiError(40004, "invalid media type")
