"""The groups of one tenant as a `Platform`: each is a webhook, and its key alone lets one post (doc 99110).

Nothing comes back from a group and nothing sent can be changed. WeCom has no check for doubles here, so what went out
without an answer is left to a person.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import httpx

from bot.cards import wecom_group as cards
from bot.cards.picture import TablePictures
from bot.cards.wecom_limits import BadCard
from bot.config import WecomGroupSettings
from bot.platforms.base import CardRef, PlainChannel, Rate, Receipt, Refused
from bot.platforms.services import Services
from bot.platforms.wecom.answers import MediaGone
from bot.platforms.wecom.client import media_id_of
from bot.platforms.wecom.uploads import MAX_GROUP_IMAGE_BYTES, Upload, Uploads, check, upload_of
from bot.platforms.wecom.wire import Call, Wire, new_http, not_counted
from handlers.messages import Address, Card, Part

PLATFORM = "wecom_group"
SENDS_A_MINUTE = 20

NO_GROUP = "没有配置叫「{name}」的企业微信群"
CANNOT_CHANGE = "群里发出的消息不能再改"
BAD_CARD = "卡片不合规（{}）"


class _Group:
    """One webhook."""

    def __init__(
        self,
        settings: WecomGroupSettings,
        http: httpx.AsyncClient,
        counted: Callable[[], None],
        services: Services | None,
    ) -> None:
        self._key = settings.key.get_secret_value()
        # Two names may lead to one webhook, whose limits and uploads they share. The digest does not tell the key.
        self.account = f"{PLATFORM}:{hashlib.sha256(self._key.encode()).hexdigest()[:24]}"
        self._wire = Wire(settings.base_url, http, counted, repeatable=False)
        self._upload_wire = Wire(settings.base_url, http, counted)
        self.uploads = Uploads(self._upload, self.account, services.media if services else None)

    async def post(self, body: Mapping[str, Any]) -> None:
        """Post a message."""
        await self._wire.answer(Call("POST", "/webhook/send", {"key": self._key}, body))

    async def _upload(self, upload: Upload) -> str:
        query = {"key": self._key, "type": upload.kind}
        call = Call("POST", "/webhook/upload_media", query, file=upload.file())
        return media_id_of(await self._upload_wire.answer(call))


class WecomGroupPlatform(PlainChannel):
    """All groups of a tenant; an address names its group as the configuration does."""

    name = PLATFORM

    def __init__(
        self,
        groups: Mapping[str, WecomGroupSettings],
        client: httpx.AsyncClient | None = None,
        services: Services | None = None,
        pictures: TablePictures | None = None,
    ) -> None:
        self._http = client or new_http(next(iter(groups.values())).base_url)
        self._owns_http = client is None
        self._pictures = pictures
        counted = partial(services.count, PLATFORM, "calls") if services else not_counted
        self._groups = {name: _Group(one, self._http, counted, services) for name, one in groups.items()}

    def rates(self, address: Address) -> Sequence[Rate]:
        """Return the limit of the group's webhook (doc 99110)."""
        group = self._groups.get(address.conversation)
        return (Rate(group.account, SENDS_A_MINUTE, 60),) if group else ()

    def render(self, part: Part, card: CardRef | None = None) -> list[dict[str, Any]]:
        """Return the bodies that show this part, in order; pure. `Refused` for what WeCom would refuse."""
        try:
            return cards.render(part, self._pictures)
        except BadCard as error:
            raise Refused(BAD_CARD.format(error)) from error

    async def may_repeat(self, part: Part, address: Address, key: str) -> bool:
        """Return False: nothing tells WeCom that a message is the same one again."""
        return False

    async def send(
        self, address: Address, payload: dict[str, Any], card: CardRef | None = None, *, key: str = ""
    ) -> Receipt:
        """Post one body to the group; `Unknown` when it went out and no answer came.

        Afterwards the payload holds a media id or a digest in the place of the bytes.
        """
        group = self._groups.get(address.conversation)
        if group is None:
            raise Refused(NO_GROUP.format(name=address.conversation))
        upload = await upload_of(payload, self._pictures)
        if upload is None:
            await group.post(payload)
        elif upload.kind == "image":
            await _post_image(group, payload, upload)
        else:
            await _post_file(group, payload, upload)
        return Receipt()

    async def update_card(self, address: Address, content: Card, card: CardRef) -> Receipt:
        """Refuse: a group's message stays as it was sent."""
        raise Refused(CANNOT_CHANGE)

    async def close(self) -> None:
        """Give up the connections this object opened."""
        if self._owns_http:
            await self._http.aclose()


async def _post_image(group: _Group, payload: dict[str, Any], upload: Upload) -> None:
    """Post a picture, which travels inside the message."""
    check(upload, MAX_GROUP_IMAGE_BYTES)
    md5 = hashlib.md5(upload.data, usedforsecurity=False).hexdigest()
    image = {"base64": base64.b64encode(upload.data).decode(), "md5": md5}
    await group.post({"msgtype": "image", "image": image})
    _replace(payload, {"msgtype": "image", "image": {"md5": md5}})


async def _post_file(group: _Group, payload: dict[str, Any], upload: Upload) -> None:
    """Post a file by its media id; once more where WeCom has forgotten the upload."""
    body = await _file_body(group, upload)
    try:
        await group.post(body)
    except MediaGone:
        await group.uploads.forget(upload)
        body = await _file_body(group, upload)
        await group.post(body)
    _replace(payload, body)


async def _file_body(group: _Group, upload: Upload) -> dict[str, Any]:
    return {"msgtype": "file", "file": {"media_id": await group.uploads.media_id(upload)}}


def _replace(payload: dict[str, Any], body: dict[str, Any]) -> None:
    payload.clear()
    payload.update(body)
