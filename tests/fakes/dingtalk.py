"""The sandbox's DingTalk cloud on a real server on loopback, with planned failures and a record of all calls."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.config import DingtalkSettings
from bot.sandbox.dingtalk_cloud import DingtalkCloud
from bot.sandbox.phones import Phones

GATEWAY = "/v1.0/gateway/connections/open"
TOKEN = "/v1.0/oauth2/accessToken"
BATCH_SEND = "/v1.0/robot/oToMessages/batchSend"
GROUP_SEND = "/v1.0/robot/groupMessages/send"
DELIVER = "/v1.0/card/instances/createAndDeliver"
CARD = "/v1.0/card/instances"
WEBHOOK = "/robot/sendBySession"
GROUP_ROBOT = "/robot/send"
STREAMING = "/v1.0/card/streaming"
REGISTER = "/v1.0/card/callbacks/register"
UPLOAD = "/media/upload"
DOWNLOAD = "/v1.0/robot/messageFiles/download"
USER = "/topapi/v2/user/get"
BY_MOBILE = "/topapi/v2/user/getbymobile"
SECRET = "s3cret-of-the-app"


@dataclass(frozen=True, slots=True)
class Call:
    """One request the bot made."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Planned:
    """An answer given instead of the cloud's own: a dict as JSON, a str as HTML, after `delay` seconds.

    With `after_work` the cloud does its work first, so that only the answer is lost. `fire` is called then.
    """

    status: int = 200
    body: dict[str, Any] | str = ""
    delay: float = 0.0
    after_work: bool = False
    fire: Callable[[], None] | None = None


@dataclass
class FakeDingtalk:
    """The cloud, its phones, what it was asked and what it should answer next; `plan` is consumed in order."""

    base: str
    cloud: DingtalkCloud
    phones: Phones
    calls: list[Call] = field(default_factory=list)
    planned: dict[str, list[Planned]] = field(default_factory=dict)

    def plan(self, path: str, *answers: Planned) -> None:
        self.planned.setdefault(path, []).extend(answers)

    def settings(self, **overrides: Any) -> DingtalkSettings:
        values = {
            "client_id": "dingfake",
            "client_secret": SECRET,
            "robot_code": "dingfake",
            "base_url": self.base,
            "oapi_base_url": self.base,
        }
        return DingtalkSettings(**(values | overrides))

    def called(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def screen(self, user_id: str) -> list[dict[str, Any]]:
        return [shown.payload for shown in self.phones.screen("dingtalk", user_id) if shown.direction == "in"]

    async def connected(self, count: int = 1) -> None:
        await until(lambda: len(self.cloud.links) >= count)

    async def drop(self, code: int) -> None:
        """Close every socket with this code."""
        for link in list(self.cloud.links):
            await link.socket.close(code=code)

    async def abort(self) -> None:
        """Cut every connection without a word."""
        for link in list(self.cloud.links):
            assert link.request.transport is not None
            link.request.transport.abort()
        await until(lambda: not self.cloud.links)

    async def goodbye(self) -> None:
        """Say goodbye as DingTalk does every few hours: no messageId, no time."""
        frame = {"specVersion": "1.0", "type": "SYSTEM", "headers": {"topic": "disconnect"}}
        for link in list(self.cloud.links):
            await link.socket.send_str(json.dumps(frame | {"data": json.dumps({"reason": "connection is expired"})}))

    async def disconnect(self) -> None:
        """Say goodbye and wait until nobody listens."""
        await self.goodbye()
        await until(lambda: not self.cloud.links)

    async def raw(self, text: str) -> None:
        """Send something down the socket that is no frame."""
        await self.cloud.links[0].socket.send_str(text)

    @web.middleware
    async def intercept(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        form = request.content_type.startswith("multipart/")
        raw = b"" if form else await request.read()  # a form is read where it is understood
        body = json.loads(raw) if raw else None
        self.calls.append(Call(request.method, request.path, dict(request.query), dict(request.headers), body))
        answers = self.planned.get(request.path)
        if not answers:
            return await handler(request)
        answer = answers.pop(0)
        if answer.after_work:
            await handler(request)
        if answer.fire is not None:
            answer.fire()
        await asyncio.sleep(answer.delay)
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, content_type="text/html")
        return web.json_response(answer.body, status=answer.status)


async def until(happened: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return as soon as it has happened; `TimeoutError` when it does not."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 (what it waits for is not ours to announce)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def fake_dingtalk(
    ping_seconds: float = 25.0, clock: Callable[[], float] = time.time
) -> AsyncIterator[FakeDingtalk]:
    """Serve a fake DingTalk on a free port, in this loop."""
    phones = Phones()
    cloud = DingtalkCloud(phones, "dingfake", SECRET, "dingfake", clock, ping_seconds)
    fake = FakeDingtalk("", cloud, phones)
    app = web.Application(middlewares=[fake.intercept])
    cloud.add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.base = cloud.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
        phones.close()
