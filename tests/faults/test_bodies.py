"""What strangers send: answered or cut off within three seconds, no row, no memory, and everybody else is served."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from bot.cli.serve import allow_many_sockets
from tests.faults.crowd import Crowd
from tests.faults.installation import Installation
from tests.faults.replica import Replica

Report = Callable[[object], None]

ANSWER_SECONDS = 3.5
# How much more memory a crowd of bad requests may leave behind.
FLAT_MB = 25.0
MEGABYTES = b"x" * 2**20
BOMB = gzip.compress(b"\0" * 50 * 2**20)
ENTITIES = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><Encrypt>&c;</Encrypt></xml>'
)
QUERY = urlencode({"msg_signature": "0" * 40, "timestamp": "{now}", "nonce": "1"}, safe="{}")


@dataclass(frozen=True, slots=True)
class Bad:
    """A request: its body as it travels, its headers, and the statuses that answer it."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    path: str = f"/wecom/acme/app?{QUERY}"
    statuses: tuple[int, ...] = (400,)
    pieces: int = 1  # the body is sent this many times
    pause: float = 0.0  # between head and body, which leave as one where there is none


CHUNKED = {"Transfer-Encoding": "chunked"}
BAD: dict[str, Bad] = {
    "ten megabytes": Bad(MEGABYTES, {"Content-Length": str(10 * 2**20)}, pieces=10, statuses=(413,)),
    "ten megabytes in chunks": Bad(b"100000\r\n" + MEGABYTES + b"\r\n", CHUNKED, pieces=10, statuses=(413,)),
    "a gzip bomb": Bad(BOMB, {"Content-Encoding": "gzip", "Content-Length": str(len(BOMB))}, statuses=(413,)),
    "entities that grow": Bad(ENTITIES),
    "a bottomless nest": Bad(b"<a>" * 20_000),
    "a nest that ends": Bad(b"<a>" * 9_000 + b"</a>" * 9_000),
    "no XML": Bad(b"{}"),
    "nothing": Bad(b""),
    "bad UTF-8": Bad(b"<xml><Encrypt>\xff\xfe\xc3(</Encrypt></xml>"),
    "another encoding": Bad("<?xml version='1.0' encoding='utf-16'?><xml/>".encode("utf-16")),
    "an emoji for a cipher": Bad("<xml><Encrypt>😀</Encrypt></xml>".encode(), statuses=(400, 403)),
    "NUL": Bad(b"<xml><Encrypt>\x00</Encrypt></xml>"),
    "half of a surrogate pair": Bad(b"<xml><Encrypt>&#xD83D;</Encrypt></xml>"),
    "half of one in the query": Bad(
        b"<xml><Encrypt>YQ==</Encrypt></xml>", path="/wecom/acme/app?msg_signature=%ED%A0%BD&timestamp={now}&nonce=%00",
        statuses=(400, 403),
    ),
    "NUL in the path": Bad(path="/wecom/%00/app", statuses=(400, 404)),
    "a path of no encoding": Bad(path="/wecom/%ff%fe/app", statuses=(400, 404)),
    "a length that lies": Bad(b"short", {"Content-Length": "100"}, statuses=(408,)),
    "no number for a length": Bad(b"", {"Content-Length": "ten"}),
    # With its head, aiohttp refuses it as no HTTP; after it, the handler waits already for what never comes.
    "chunks of no size": Bad(b"zz\r\n", CHUNKED),
    "chunks of no size, later": Bad(b"zz\r\n", CHUNKED, statuses=(408,), pause=0.5),
    "twice as long as it says": Bad(b"<xml/>", {"Content-Length": "3"}),
    "an endless header": Bad(headers={"X-Long": "x" * 100_000}),
    "deep JSON": Bad(b"[" * 60_000, path="/api/chat", statuses=(401,)),
}  # fmt: skip


@pytest.fixture
async def server(alone: Installation) -> Replica:
    server = alone.replica()
    await server.start()
    return server


async def ask(server: Replica, bad: Bad) -> tuple[int, float]:
    """Send a request by hand; return the status, 0 where it was only cut off, and the seconds that took."""
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    headers = {"Host": "x", "Content-Length": str(len(bad.body)), **bad.headers}
    if "Transfer-Encoding" in headers:
        del headers["Content-Length"]
    path = bad.path.replace("{now}", str(int(time.time())))
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    sending = asyncio.create_task(_send(writer, "\r\n".join(lines).encode(), bad))
    try:
        async with asyncio.timeout(ANSWER_SECONDS + 5):
            line = await reader.readline()
    except ConnectionError:
        line = b""
    sending.cancel()
    writer.transport.abort()
    match = re.match(rb"HTTP/1\.[01] (\d+) ", line)
    return int(match[1]) if match else 0, time.monotonic() - started


async def _send(writer: asyncio.StreamWriter, head: bytes, bad: Bad) -> None:
    with suppress(ConnectionError):
        if bad.pause:
            writer.write(head)
            await asyncio.sleep(bad.pause)
        writer.write(bad.body if bad.pause else head + bad.body)
        for _ in range(bad.pieces - 1):
            await writer.drain()
            writer.write(bad.body)


async def test_bad_requests_are_refused_at_once(alone: Installation, server: Replica, report: Report) -> None:
    await Crowd(alone).talk(alone.people[:4], 1)
    answers = {name: await ask(server, bad) for name, bad in BAD.items()}
    wrong = {name: status for name, (status, _) in answers.items() if status not in BAD[name].statuses}
    late = {name: seconds for name, (_, seconds) in answers.items() if seconds > ANSWER_SECONDS}
    report(f"{len(answers)} kinds, the slowest after {max(seconds for _, seconds in answers.values()):.1f} s")
    assert (wrong, late) == ({}, {})
    await Crowd(alone).talk(alone.people[4:8], 1)
    assert (await alone.judge()).answered == 8
    assert "Traceback" not in server.said()


async def test_memory_stays_flat_under_large_bodies(alone: Installation, server: Replica, report: Report) -> None:
    large = [BAD[name] for name in ("ten megabytes", "ten megabytes in chunks", "a gzip bomb", "a bottomless nest")]
    for bad in large:
        await ask(server, bad)
    before = server.rss_mb()
    for _ in range(5):
        await asyncio.gather(*(ask(server, bad) for bad in large * 4))
    after = server.rss_mb()
    report(f"{before:.0f} MB before, {after:.0f} MB after 80 large requests")
    assert after - before < FLAT_MB
    assert await Crowd(alone).talk(alone.people[:4], 1) == 4


async def test_two_thousand_idle_sockets_keep_nobody_out(alone: Installation, server: Replica, report: Report) -> None:
    allow_many_sockets()
    before, writers = server.rss_mb(), []
    for number in range(2000):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        if number % 2:  # half of them begin a request and never end it
            writer.write(b"POST /wecom/acme/app HTTP/1.1\r\nHost: x\r\n")
        writers.append(writer)
    started = time.monotonic()
    assert await Crowd(alone).talk(alone.people, 1) == len(alone.people)
    took, after = time.monotonic() - started, server.rss_mb()
    for writer in writers:
        writer.transport.abort()
    report(f"{len(alone.people)} messages in {took:.1f} s among 2000 idle sockets; {after - before:.0f} MB for them")
    assert took < 3
    assert after - before < 60
    assert (await alone.judge()).answered == len(alone.people)
