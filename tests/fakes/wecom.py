"""The sandbox's WeCom on a real port, with failures on order.

    wecom.fail["/cgi-bin/message/send"] += [{"errcode": -1, "errmsg": "busy"}, 2.0, DROP, HANG_UP, Shot(fire)]

A dict is the answer instead of doing anything. A number: WeCom does what was asked and answers that many seconds
late. DROP: it does what was asked and the answer is lost. HANG_UP: it closes the connection untouched. Shot: `fire`
is called, before or after it does what was asked, and nobody hears the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bot.config import WecomSettings
from bot.loopback import loopback_site
from bot.platforms.services import Services
from bot.sandbox.phones import Phones, Shown
from bot.sandbox.wecom_cloud import WecomCloud
from bot.sandbox.wecom_media import MAX_REQUEST_BYTES
from bot.sandbox.wecom_people import Person
from bot.seal import Sealer
from bot.usage import UsageCounter
from db.engine import Database

TOKEN_PATH = "/cgi-bin/gettoken"
SEND_PATH = "/cgi-bin/message/send"
UPDATE_PATH = "/cgi-bin/message/update_template_card"
UPLOAD_PATH = "/cgi-bin/media/upload"
USER_PATH = "/cgi-bin/user/get"
MOBILE_PATH = "/cgi-bin/user/getuserid"
OPEN_ID_PATH = "/cgi-bin/batch/openuserid_to_userid"
MENU_PATH = "/cgi-bin/menu/create"
GROUP_PATH = "/cgi-bin/webhook/send"
GROUP_UPLOAD_PATH = "/cgi-bin/webhook/upload_media"
DROP = "drop"
HANG_UP = "hang up"

GROUP_KEY = "key-of-the-group"


@dataclass(frozen=True, slots=True)
class Shot:
    """Something that happens the moment a call arrives, or once it is done."""

    fire: Callable[[], None]
    done: bool = False


Plan = dict[str, Any] | float | str | Shot
NOW = 1_700_000_000.0


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived; of an upload only the query."""

    path: str
    query: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))


class FakeWecom:
    """A corp `ww1` with the members boss, lily and zhangsan; `settings` connects a platform to it.

    It has one group webhook, "key-of-the-group".
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.phones = Phones()
        self.calls: list[Call] = []
        self.fail: dict[str, list[Plan]] = defaultdict(list)
        self.settings = settings()
        self.cloud = WecomCloud(self.phones, self.settings, ["boss", "lily", "zhangsan"], clock)
        self.cloud.people.known |= {"lily": Person("李丽", "13800000001"), "boss": Person("王店长", "13800000002")}
        self.cloud.groups.keys.add(GROUP_KEY)

    def paths(self) -> list[str]:
        """The paths called so far, in order."""
        return [call.path for call in self.calls]

    def called(self, path: str) -> list[Call]:
        """The requests to one path, in order."""
        return [call for call in self.calls if call.path == path]

    def group(self) -> list[dict[str, Any]]:
        """What the group shows, oldest first."""
        return self.cloud.groups.shown[GROUP_KEY]

    def screen(self, user_id: str) -> list[dict[str, Any]]:
        """The payloads a phone shows, oldest first."""
        return [shown.payload for shown in self.shown(user_id)]

    def shown(self, user_id: str) -> list[Shown]:
        return self.phones.screen("wecom", user_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeWecom]:
        """Serve on a free port for the duration of the block."""
        app = web.Application(middlewares=[self._misbehave], client_max_size=MAX_REQUEST_BYTES)
        app.add_routes(self.cloud.routes())
        async with loopback_site(app) as address:
            self.settings = settings(address)
            yield self
        self.phones.close()

    @web.middleware
    async def _misbehave(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # An upload can be read once, and that is the cloud's to do.
        raw = b"" if request.content_type.startswith("multipart/") else await request.read()
        self.calls.append(Call(request.path, dict(request.query), raw))
        plans = self.fail[request.path]
        plan = plans.pop(0) if plans else 0.0
        if isinstance(plan, dict):
            return web.json_response(plan)
        untouched = plan == HANG_UP or (isinstance(plan, Shot) and not plan.done)
        answer = web.Response() if untouched else await handler(request)
        if isinstance(plan, Shot):
            plan.fire()
        if isinstance(plan, str | Shot):
            assert request.transport is not None
            request.transport.abort()
        else:
            await asyncio.sleep(plan)
        return answer


def settings(base_url: str = "http://127.0.0.1:9", **changes: Any) -> WecomSettings:
    """The settings of the fake corp's app."""
    values = {
        "corp_id": "ww1",
        "agent_id": 1000002,
        "secret": "secret-of-the-app",
        "token": "QDG6eK",
        "aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        "base_url": base_url,
    }
    return WecomSettings.model_validate({**values, **changes})


def services(database: Database, clock: Callable[[], float]) -> Services:
    """What the platforms of tenant 1 may use; its row must be there."""

    def now() -> datetime:
        return datetime.fromtimestamp(clock(), UTC)

    return Services(1, database, Sealer("same everywhere"), UsageCounter(database, now), "replica-a", now, now)
