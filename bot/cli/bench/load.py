"""A load of HTTP requests over keep-alive connections, written so that it costs less than what it measures."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bot.cli.bench.failed import BenchFailed

NOT_TAKEN = "服务没有收下一条消息：{line}"
CLOSED = "服务关掉了连接"
OK = b"HTTP/1.1 200"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a round came to: requests a second, and milliseconds until their answer."""

    count: int
    per_second: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: float, waits: Sequence[float]) -> Figures:
        """Return the figures of requests that were answered after `waits` seconds."""
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        return cls(len(waits), len(waits) / seconds, cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000)


class Connection(asyncio.Protocol):
    """One connection with one request on its way at a time; answers without a body are enough for it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the head of an answer."""
        self._received += data
        if b"\r\n\r\n" in self._received and self._answer and not self._answer.done():
            self._answer.set_result(self._received)
            self._received = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(BenchFailed(CLOSED))

    async def ask(self, request: bytes) -> None:
        """Send a request and return when it is answered with 200."""
        if self._transport is None:
            raise BenchFailed(CLOSED)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        if not answer.startswith(OK):
            raise BenchFailed(NOT_TAKEN.format(line=answer.split(b"\r\n", 1)[0].decode()))

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int, count: int) -> list[Connection]:
    """Return open connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, host, port))[1] for _ in range(count)]


async def as_fast_as_possible(
    connections: Sequence[Connection], next_request: Callable[[], bytes], seconds: float
) -> Figures:
    """Let every connection ask again as soon as it is answered."""
    waits: list[float] = []

    async def ask_on(connection: Connection, ends: float) -> None:
        while (asked := time.perf_counter()) < ends:
            await connection.ask(next_request())
            waits.append(time.perf_counter() - asked)

    with _no_garbage_collected():
        started = time.perf_counter()
        await asyncio.gather(*(ask_on(connection, started + seconds) for connection in connections))
    return Figures.of(time.perf_counter() - started, waits)


async def at_a_rate(
    connections: Sequence[Connection], next_request: Callable[[], bytes], seconds: float, per_second: float
) -> Figures:
    """Ask at this rate, whether or not earlier requests are answered; a wait counts from when it was due."""
    waits: list[float] = []
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def ask_one(due: float) -> None:
        connection = await free.get()
        await connection.ask(next_request())
        waits.append(time.perf_counter() - due)
        free.put_nowait(connection)

    with _no_garbage_collected():
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * per_second)):
                due = started + number / per_second
                if (left := due - time.perf_counter()) > 0:
                    await asyncio.sleep(left)
                group.create_task(ask_one(due))
    return Figures.of(time.perf_counter() - started, waits)


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Keep a pause of this process from being counted as the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
