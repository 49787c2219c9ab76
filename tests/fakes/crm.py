"""The mock CRM on a real port, with faults planned per call: what a CRM does on a bad day.

crm.plan("create", "timeout_after")    the next create is done, its answer never comes
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from bot.crm.mock import PREFIX, MockCrm

Call = Literal["create", "publish", "find"]
Fault = Literal[
    "500",  # says that it failed, and did nothing
    "500_after",  # says that it failed, and did it
    "timeout_before",  # never answers and does nothing
    "timeout_after",  # does it and never answers
    "drop_after",  # does it and cuts the line
    "refuse",  # answers 400 with a reason
    "garbage",  # does it and answers what is no JSON
    "slow",  # does it after a moment
]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SLOW_SECONDS = 0.4


class FakeCrm:
    """What was asked of it, in order, and the faults still to come."""

    def __init__(self, path: Path) -> None:
        self.mock = MockCrm(path)
        self.calls: list[Call] = []
        self.headers: list[dict[str, str]] = []
        self.base_url = ""
        self._faults: defaultdict[Call, deque[Fault]] = defaultdict(deque)
        self._closing = asyncio.Event()

    def plan(self, call: Call, *faults: Fault) -> None:
        """Let the next calls of this kind fail like this, one after the other."""
        self._faults[call].extend(faults)

    @property
    def coupons(self) -> list[dict[str, Any]]:
        """Every coupon it holds, with the body it was made from."""
        return self.mock.book.all()

    def count(self, call: Call) -> int:
        """How often this was asked."""
        return self.calls.count(call)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FakeCrm]:
        """Listen on a free port of loopback."""
        app = web.Application(middlewares=[self._middleware])
        self.mock.add_to(app)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}{PREFIX}"
        try:
            yield self
        finally:
            self._closing.set()
            await runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = _call_of(request)
        self.calls.append(call)
        self.headers.append(dict(request.headers))
        planned = self._faults[call]
        return await self._faulty(planned.popleft(), request, handler) if planned else await handler(request)

    async def _faulty(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        if fault == "refuse":
            return web.json_response({"error": "余额不足"}, status=400)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        done = None if fault in {"500", "timeout_before"} else await handler(request)
        if fault.startswith("timeout"):
            await self._closing.wait()
        if fault == "drop_after" and request.transport is not None:
            request.transport.abort()
        if fault == "garbage":
            return web.Response(text="<html>ok</html>")
        return done if fault == "slow" and done is not None else web.Response(status=500)


def _call_of(request: web.Request) -> Call:
    if request.method == "GET":
        return "find"
    return "publish" if request.path.endswith("/publish") else "create"
