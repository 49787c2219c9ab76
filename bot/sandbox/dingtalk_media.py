"""Files on their way through the pretend DingTalk: uploads by media id, what people sent by download code."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from bot.sandbox.dingtalk_api import ApiRefusal, Json, OapiRefusal

MOST_BYTES = {"image": 20 * 2**20, "voice": 2 * 2**20, "video": 20 * 2**20, "file": 20 * 2**20}
PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"BM": "bmp"}
FILE_TYPES = frozenset({"doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar", "csv", "txt"})


@dataclass(frozen=True, slots=True, repr=False)
class Uploaded:
    """A file somebody uploaded."""

    kind: str
    name: str
    data: bytes

    @property
    def address(self) -> str:
        """The picture as an address that carries it."""
        return f"data:image/{_picture_type(self.data)};base64,{base64.b64encode(self.data).decode()}"


@dataclass(slots=True)
class MediaStore:
    """What was uploaded, and what people sent the robot."""

    uploads: dict[str, Uploaded] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)

    async def upload(self, request: web.Request) -> Json:
        """Take a form with the field `media`."""
        kind = request.query.get("type", "")
        if kind not in MOST_BYTES:
            raise OapiRefusal(40004, "不合法的媒体文件类型")
        name, data = await _media_part(request, MOST_BYTES[kind])
        if not data or (kind == "image" and not _picture_type(data)):
            raise OapiRefusal(40005, "不合法的文件类型")
        media_id = f"@l{uuid.uuid4().hex}"
        self.uploads[media_id] = Uploaded(kind, name, data)
        return {"type": kind, "media_id": media_id, "created_at": 1}

    def attach(self, data: bytes) -> str:
        """Keep what a person sends and return its download code."""
        code = uuid.uuid4().hex
        self.attachments[code] = data
        return code

    def download(self, base: str, body: Json) -> Json:
        """Return the address of what a person sent."""
        code = str(body.get("downloadCode"))
        if code not in self.attachments:
            raise ApiRefusal("invalidParameter.downloadCode")
        return {"downloadUrl": f"{base}/files/{code}"}

    async def file(self, request: web.Request) -> web.Response:
        """Serve what a person sent; the address needs no token."""
        data = self.attachments.get(request.match_info["code"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data)

    def picture(self, photo: str) -> str:
        """Return the address under which a phone sees what `photoURL` names."""
        if photo.startswith(("https://", "http://")):
            return photo
        found = self.uploads.get(photo)
        if found is None or found.kind != "image":
            raise ApiRefusal("invalidParameter.msgParam.invalid", "photoURL is neither an address nor a media id")
        return found.address

    def sent_file(self, param: Json) -> Uploaded:
        """Return the upload a `sampleFile` names, with its own name and type."""
        found = self.uploads.get(str(param.get("mediaId")))
        if found is None or found.kind != "file":
            raise ApiRefusal("invalidParameter.msgParam.invalid", "mediaId is no uploaded file")
        if param.get("fileType") not in FILE_TYPES:
            raise ApiRefusal("invalidParameter.msgParam.invalid", "fileType is not supported")
        return found


async def _media_part(request: web.Request, most: int) -> tuple[str, bytes]:
    if not request.content_type.startswith("multipart/"):
        raise OapiRefusal(40035, "不合法的参数")
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "media":
            data = bytearray()
            while chunk := await part.read_chunk():
                data += chunk
                if len(data) > most:
                    raise OapiRefusal(40006, "不合法的文件大小")
            return part.filename or "", bytes(data)
    raise OapiRefusal(40035, "不合法的参数")


def _picture_type(data: bytes) -> str:
    return next((name for start, name in PICTURES.items() if data.startswith(start)), "")
