"""Pictures and files on their way to DingTalk, and what people sent on its way to us."""

from __future__ import annotations

import mimetypes
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from bot.config import DingtalkSettings
from bot.media_cache import MediaCache, MediaKind
from bot.platforms.base import Refused, TryLater
from bot.platforms.dingtalk.calls import DingtalkCalls
from bot.platforms.dingtalk.errors import THEIR_SIDE, UNREACHABLE
from bot.platforms.dingtalk.robot import LOOPBACK

UPLOAD_PATH = "/media/upload"
DOWNLOAD_PATH = "/v1.0/robot/messageFiles/download"
# Pictures as well as files (developerpedia, media).
MOST_BYTES = 20 * 2**20
# A media id lasts; how long is not written anywhere.
KEPT_FOR = timedelta(days=30)

TOO_LARGE = "文件超过 20 MB，钉钉不收"
NO_REFERENCE = "这个文件没有下载码"
NO_ADDRESS = "钉钉没有给下载地址"
FOREIGN_ADDRESS = "下载地址不可信"
NOT_FETCHED = "文件没有下载成功"


class DingtalkMedia:
    """One app's uploads and downloads; with a `cache`, the same bytes are uploaded once for all replicas."""

    def __init__(
        self,
        settings: DingtalkSettings,
        calls: DingtalkCalls,
        http: httpx.AsyncClient,
        account: str,
        cache: MediaCache | None,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._http = http
        self._account = account
        self._cache = cache

    async def reference(self, kind: MediaKind, name: str, data: bytes) -> str:
        """Return what DingTalk calls these bytes, uploaded now if need be; `Refused` above 20 MB."""
        if len(data) > MOST_BYTES:
            raise Refused(TOO_LARGE)
        if self._cache is None:
            return (await self._upload(kind, name, data))[0]
        return await self._cache.reference(self._account, kind, data, lambda: self._upload(kind, name, data))

    async def _upload(self, kind: MediaKind, name: str, data: bytes) -> tuple[str, timedelta]:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        form = {"type": kind}
        files = {"media": (name, data, content_type)}
        answer = await self._calls.oapi(UPLOAD_PATH, form, metered=True, query=form, files=files)
        media_id = answer.get("media_id")
        if not isinstance(media_id, str) or not media_id:
            raise TryLater(THEIR_SIDE)
        return media_id, KEPT_FOR

    async def fetch(self, reference: str) -> bytes:
        """Return what a person sent, by the download code of the attachment; at most 20 MB."""
        if not reference:
            raise Refused(NO_REFERENCE)
        body = {"downloadCode": reference, "robotCode": self._settings.robot_code}
        answer = await self._calls.api("POST", DOWNLOAD_PATH, body, repeatable=True)
        url = answer.get("downloadUrl")
        if not isinstance(url, str):
            raise TryLater(NO_ADDRESS)
        if not self._may_fetch(url):
            raise Refused(FOREIGN_ADDRESS)
        return await self._fetch(url)

    async def _fetch(self, url: str) -> bytes:
        """Read no more than is allowed; a redirect is not followed."""
        data = bytearray()
        try:
            async with self._http.stream("GET", url, follow_redirects=False) as response:
                if not response.is_success:
                    raise TryLater(NOT_FETCHED)
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > MOST_BYTES:
                        raise Refused(TOO_LARGE)
        except httpx.HTTPError as error:
            raise TryLater(UNREACHABLE) from error
        return bytes(data)

    def _may_fetch(self, url: str) -> bool:
        """Tell whether an address is outside our own network, or on this machine and that of the settings."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return False
        configured = {urlsplit(base).netloc for base in (self._settings.base_url, self._settings.oapi_base_url)}
        if host in LOOPBACK:
            return parts.netloc in configured
        return parts.scheme == "https" and "." in host and not _is_private(host)


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))
