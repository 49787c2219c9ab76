"""A weather service on loopback that answers like Caiyun v2.6, and fails in the ways a service fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "caiyun-secret-token"
FIRST_DAY = date(2026, 11, 21)


class FakeCaiyun:
    """Answers requests with `answer`; `failure` makes it fail, `gate` makes it wait, `calls` counts."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = caiyun_answer()
        self.failure = ""
        self.gate: asyncio.Event | None = None
        self.calls: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.base_url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or fail as asked."""
        self.calls.append(request.match_info["place"])
        self.queries.append(dict(request.query))
        if self.gate is not None:
            await self.gate.wait()
        if request.match_info["token"] != TOKEN:
            return web.json_response({"status": "failed", "error": "'token is invalid'", "api_version": "v2.6"})
        return await self._fail(request) if self.failure else web.json_response(self.answer)

    async def _fail(self, request: web.Request) -> web.StreamResponse:
        if self.failure.isdigit():
            return web.json_response({"status": "failed", "error": "no"}, status=int(self.failure))
        if self.failure == "html":
            return web.Response(text="<html>502</html>", content_type="text/html")
        if self.failure == "half":
            return await _half_of(self.answer, request)
        if self.failure == "drip":
            return await _drip(request)
        raise AssertionError(f"no such failure: {self.failure}")


async def _half_of(answer: dict[str, Any], request: web.Request) -> web.StreamResponse:
    """Promise the whole body, send half of it and cut the connection."""
    body = json.dumps(answer).encode()
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def _drip(request: web.Request) -> web.StreamResponse:
    """Send one byte at a time, each within any timeout of a single read."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


@asynccontextmanager
async def fake_caiyun() -> AsyncIterator[FakeCaiyun]:
    """Serve it on a free port."""
    fake = FakeCaiyun()
    app = web.Application()
    app.router.add_get("/v2.6/{token}/{place}/weather", fake.handle)
    async with TestServer(app) as server:
        fake.base_url = str(server.make_url("/")).rstrip("/")
        yield fake


def caiyun_answer(first: date = FIRST_DAY, days: int = 3) -> dict[str, Any]:
    """Return a whole answer: light rain, 8 to 13 degrees, 80 % rain, wind 20 km/h, a warning in force."""
    dates = [f"{first + timedelta(days=n)}T00:00+08:00" for n in range(days)]
    daily = {
        "status": "ok",
        "temperature": [{"date": d, "max": 13.4, "min": 7.6, "avg": 10.0} for d in dates],
        "skycon": [{"date": d, "value": "CLOUDY"} for d in dates],
        "skycon_08h_20h": [{"date": d, "value": "LIGHT_RAIN"} for d in dates],
        "precipitation": [{"date": d, "max": 1.2, "min": 0, "avg": 0.3, "probability": 80} for d in dates],
        "wind": [{"date": d, "max": {"speed": 20.0, "direction": 90}} for d in dates],
        "air_quality": {"aqi": [{"date": d, "avg": {"chn": 62, "usa": 70}} for d in dates]},
    }
    alert = {"status": "ok", "content": [{"title": "上海市气象台发布大风蓝色预警", "code": "0501", "status": "预警中"}]}
    return {
        "status": "ok",
        "api_version": "v2.6",
        "unit": "metric:v2",
        "tzshift": 28800,
        "server_time": 1795219200,
        "location": [31.2287, 121.4481],
        "result": {"realtime": {"status": "ok", "skycon": "LIGHT_RAIN"}, "daily": daily, "alert": alert, "primary": 0},
    }
