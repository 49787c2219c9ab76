"""Something sent that is no text: what it was, and what to do instead. A position gets the nearest store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from db.engine import Database
from handlers.intents import Intent
from handlers.messages import Attachment, Reply
from handlers.turn import Turn
from knowledge.stores import StorePlace, load_places

SEEN = {
    "image": "收到图片了。我现在还看不懂图片，请把想问的打成一句话。",
    "voice": "收到语音了，但没有识别出文字。请再说一遍，或者打成一句话。",
    "video": "收到视频了。我现在还看不懂视频，请把想问的打成一句话。",
    "file": "收到文件了。我现在还打不开文件，请把想问的打成一句话。",
    "link": "收到链接了。我现在还打不开网页，请把想问的打成一句话。",
}
PLACE = "收到位置{label}。"
NEAREST = "离它最近的门店是{store}，约 {km} 公里。想看那里的天气，可以说「{city}今天天气提醒」。"
NO_STORE = "您还没有分配门店，请管理员处理。"
EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True)
class MediaHandler:
    """Answers pictures, files, positions and the like."""

    database: Database
    intent: ClassVar[Intent] = Intent("help", media=True)

    async def __call__(self, turn: Turn) -> Reply:
        """Return one sentence about the first thing that was sent."""
        first = turn.attachments[0]
        if first.kind != "location":
            return Reply.say("help", SEEN[first.kind])
        places = await load_places(self.database, turn.person.tenant_id, turn.person.store_ids)
        return Reply.say("help", about_place(first, places))


def about_place(sent: Attachment, places: Sequence[StorePlace]) -> str:
    """Return the nearest of these stores in words."""
    head = PLACE.format(label=f"「{sent.title}」" if sent.title else "")
    if not places:
        return head + NO_STORE
    if sent.latitude is None or sent.longitude is None:
        return head
    distances = [(kilometres(sent.latitude, sent.longitude, one.lat, one.lon), one) for one in places]
    km, nearest = min(distances, key=lambda pair: pair[0])
    return head + NEAREST.format(store=nearest.name, km=f"{km:.1f}" if km < 100 else f"{km:.0f}", city=nearest.city)


def kilometres(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the way as the crow flies between two places given in degrees (haversine formula)."""
    a, b = math.radians(lat1), math.radians(lat2)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))
