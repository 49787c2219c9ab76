"""The group webhooks of the pretend WeCom (WeCom doc 99110): posts in, nothing out."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.sandbox.wecom_api import BAD_PARAMETER, TOO_OFTEN, Answer, ApiError, json_body
from bot.sandbox.wecom_bodies import checked_card, checked_news, checked_text, message_of
from bot.sandbox.wecom_media import HEADS, LIMITS, MediaShelf
from bot.sandbox.wecom_rates import PER_WEBHOOK, Rates

UNKNOWN_KEY = 93000
TEXT_BYTES = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}
IMAGE_BYTES = 2 * 2**20
UPLOADS = {kind: LIMITS[kind] for kind in ("file", "voice")}


class Groups:
    """Webhooks by key, and what their groups show."""

    def __init__(self, media: MediaShelf, clock: Callable[[], float]) -> None:
        self.keys: set[str] = set()
        self.shown: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._media = media
        self._rates = Rates(PER_WEBHOOK, clock)

    async def send(self, request: web.Request) -> Answer:
        """Answer webhook/send."""
        key = self._key(request)
        if not self._rates.admit(key):
            raise ApiError(TOO_OFTEN, "api freq out of limit")
        self.shown[key].append(self._message(key, await json_body(request)))
        return {}

    async def upload(self, request: web.Request) -> Answer:
        """Answer webhook/upload_media; only the same webhook can send what was uploaded."""
        return await self._media.take(request, UPLOADS, owner=self._key(request))

    def _key(self, request: web.Request) -> str:
        key = request.query.get("key", "")
        if key not in self.keys:
            raise ApiError(UNKNOWN_KEY, "invalid webhook url")
        return key

    def _message(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        kind, content = message_of(body)
        if kind in TEXT_BYTES:
            return {"msgtype": kind, kind: checked_text(content, TEXT_BYTES[kind])}
        if kind == "image":
            return {"msgtype": kind, kind: {"size": _image_size(content)}}
        if kind in UPLOADS:
            kept = self._media.find(content.get("media_id"), kind, owner=key)
            return {"msgtype": kind, kind: {"name": kept.name, "size": len(kept.data)}}
        if kind == "news":
            return {"msgtype": kind, kind: checked_news(content)}
        if kind == "template_card":
            return {"msgtype": kind, kind: checked_card(content, group=True)}
        raise ApiError(40008, "invalid message type")


def _image_size(content: dict[str, Any]) -> int:
    try:
        data = base64.b64decode(str(content.get("base64") or ""), validate=True)
    except binascii.Error as error:
        raise ApiError(BAD_PARAMETER, "invalid base64") from error
    if not data.startswith(HEADS["image"]):
        raise ApiError(40004, "invalid media type")
    if len(data) > IMAGE_BYTES:
        raise ApiError(40009, "image size out of limit")
    if content.get("md5") != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise ApiError(BAD_PARAMETER, "md5 does not match")
    return len(data)
