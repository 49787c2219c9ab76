"""A real OpenAI-compatible server on loopback that answers, streams, fails, stalls and babbles.

async with FakeLlm(answer("好的")) as fake: ...        one behaviour for every request
fake.script(status(500), answer("好的"))               one after another, the last one repeats
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from aiohttp import web

MODEL = "fake-1"
USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}

Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class FakeLlm:
    """Keeps the bodies and the keys it was sent; `base_url` is its address."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._script = list(behaviours or (answer("好的"),))
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    def script(self, *behaviours: Behaviour) -> None:
        """Behave like this from now on."""
        self._script = list(behaviours)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        behaviour = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return await behaviour(request, body)


def answer(text: str, finish: str | None = "stop", **extra: Any) -> Behaviour:
    """Answer, whole or streamed, as asked."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body.get("stream"):
            return await stream([*text], finish)(request, body)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return web.json_response(_envelope("chat.completion", [choice]) | {"usage": USAGE} | extra)

    return behave


def whole(body: dict[str, Any], *, without: Sequence[str] = ()) -> Behaviour:
    """Answer with exactly this body in place of the choices."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        envelope = _envelope("chat.completion", []) | body
        return web.json_response({name: value for name, value in envelope.items() if name not in without})

    return behave


def status(code: int, error: dict[str, Any] | None = None, **headers: str) -> Behaviour:
    """Fail with this status; `retry_after="120"` becomes the header Retry-After."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return web.json_response({"error": error or {"message": "no"}}, status=code, headers=named)

    return behave


def raw(text: str, content_type: str = "application/json") -> Behaviour:
    """Send this text with status 200: a gateway's HTML page, broken JSON."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type)

    return behave


def stall(seconds: float = 30.0) -> Behaviour:
    """Send nothing, not even headers."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return behave


def refuse(*parameters: str, then: Behaviour) -> Behaviour:
    """Answer 400 to a request that carries one of these parameters or response formats, else behave as `then`."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        used = {*body, (body.get("response_format") or {}).get("type")}
        if used & set(parameters):
            return web.json_response({"error": {"message": "This is unavailable now"}}, status=400)
        return await then(request, body)

    return behave


def stream(tokens: Sequence[str], finish: str | None = "stop", *, done: bool = True, pause: float = 0.0) -> Behaviour:
    """Stream the tokens, the finish, the usage if it was asked for, and [DONE]; `pause` seconds after each token."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await _event_stream(request)
        for token in tokens:
            await _event(response, [{"index": 0, "delta": {"content": token}, "finish_reason": None}])
            await asyncio.sleep(pause)
        if finish is not None:
            await _event(response, [{"index": 0, "delta": {}, "finish_reason": finish}])
        if (body.get("stream_options") or {}).get("include_usage"):
            await _event(response, [], usage=USAGE)
        if done:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    return behave


def drip(pause: float) -> Behaviour:
    """Stream one token every `pause` seconds and never finish."""
    return stream(["字"] * 10_000, pause=pause)


def cut(tokens: Sequence[str]) -> Behaviour:
    """Stream the tokens and reset the connection."""

    async def behave(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = await _event_stream(request)
        for token in tokens:
            await _event(response, [{"index": 0, "delta": {"content": token}, "finish_reason": None}])
        await asyncio.sleep(0.05)
        assert request.transport is not None
        # Linger 0 makes the kernel send RST in place of FIN.
        request.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        request.transport.abort()
        return response

    return behave


def events(*lines: str, linger: float = 0.0) -> Behaviour:
    """Stream these `data:` lines as they are, then keep the connection for `linger` seconds."""

    async def behave(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = await _event_stream(request)
        for line in lines:
            await response.write(f"data: {line}\n\n".encode())
        await asyncio.sleep(linger)
        return response

    return behave


def token_event(text: str, finish: str | None = None) -> str:
    """Return the `data:` of one token, for `events`."""
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]
    return json.dumps(_envelope("chat.completion.chunk", choices), ensure_ascii=False)


def babble() -> Behaviour:
    """Ignore every format that is asked for, chat, and make up numbers."""
    return answer('好的！我觉得{这家店}很棒，GMV 大约是 ¥99,999，涨了 300%，你想看 {"choice": "天气吧"} 吗？')


async def _event_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def _event(response: web.StreamResponse, choices: list[dict[str, Any]], **extra: Any) -> None:
    chunk = _envelope("chat.completion.chunk", choices) | extra
    await response.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())


def _envelope(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "c-1", "object": kind, "created": 1_763_700_000, "model": MODEL, "choices": choices}
