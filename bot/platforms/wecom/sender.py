"""Message bodies to people: uploads first, WeCom's duplicate check on, and off where it would swallow an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cards.picture import TablePictures
from bot.platforms.base import Receipt, SendError, Unknown
from bot.platforms.wecom.answers import AnswerLost, MediaGone
from bot.platforms.wecom.client import WecomApi
from bot.platforms.wecom.delivered import Delivered
from bot.platforms.wecom.outcome import Outcome
from bot.platforms.wecom.uploads import Upload, Uploads, upload_of
from handlers.messages import Address

# WeCom drops a second identical message to the same person within this time (doc 90236).
DUPLICATE_CHECK_SECONDS = 1800


class Sender:
    """Sends payloads of one app. Afterwards a payload is what travelled, with media ids in the place of bytes."""

    def __init__(
        self,
        api: WecomApi,
        agent_id: int,
        uploads: Uploads,
        delivered: Delivered,
        pictures: TablePictures | None,
    ) -> None:
        self._api = api
        self._agent_id = agent_id
        self._uploads = uploads
        self._delivered = delivered
        self._pictures = pictures

    async def send(self, users: Sequence[str], payload: dict[str, Any], key: str) -> Outcome:
        """Send one payload in one call; `Outcome` tells who got it."""
        return await self._post(users, payload, key, await self._complete(payload))

    async def send_many(
        self, addresses: Sequence[Address], payload: dict[str, Any], key: str
    ) -> Mapping[str, Receipt | SendError]:
        """Return what became of the payload by user id; those the duplicate check is off for get their own call."""
        try:
            upload = await self._complete(payload)
        except SendError as error:
            return {one.user_id: error for one in addresses}
        again = await self._delivered.again([one.user_id for one in addresses], payload, key)
        found: dict[str, Receipt | SendError] = {}
        for repeated in (False, True):
            group = [one for one in addresses if (one.user_id in again) is repeated]
            if group:
                found |= await self._send_to_all(group, payload, key, upload)
        return found

    async def _send_to_all(
        self, addresses: Sequence[Address], payload: dict[str, Any], key: str, upload: Upload | None
    ) -> Mapping[str, Receipt | SendError]:
        try:
            outcome = await self._post([one.user_id.casefold() for one in addresses], payload, key, upload)
        except SendError as error:
            return {one.user_id: error for one in addresses}
        return outcome.by_person(addresses)

    async def _complete(self, payload: dict[str, Any]) -> Upload | None:
        """Upload what the payload wants uploaded and put its media id there; return what was uploaded."""
        upload = await upload_of(payload, self._pictures)
        if upload is not None:
            await self._put_media(payload, upload)
        return upload

    async def _put_media(self, payload: dict[str, Any], upload: Upload) -> None:
        media = {"msgtype": payload["msgtype"], upload.kind: {"media_id": await self._uploads.media_id(upload)}}
        payload.clear()
        payload.update(media)

    async def _post(self, users: Sequence[str], payload: dict[str, Any], key: str, upload: Upload | None) -> Outcome:
        """Post a complete payload; once more with a new upload where WeCom has forgotten the old one."""
        try:
            return await self._post_once(users, payload, key)
        except MediaGone:
            if upload is None:
                raise
        await self._uploads.forget(upload)
        await self._put_media(payload, upload)
        return await self._post_once(users, payload, key)

    async def _post_once(self, users: Sequence[str], message: Mapping[str, Any], key: str) -> Outcome:
        repeated = bool(await self._delivered.again(users, message, key))
        body = {
            "touser": "|".join(users),
            "agentid": self._agent_id,
            **message,
            "enable_duplicate_check": 0 if repeated else 1,
            "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
        }
        try:
            outcome = Outcome.of(await self._api.send(body))
        except AnswerLost as error:
            if repeated:  # nothing would drop the double
                raise Unknown(error.reason) from error
            raise
        self._delivered.remember(users, message, key)
        return outcome
