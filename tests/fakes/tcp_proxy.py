"""A TCP proxy that can break: what stands between a process and its database, broker or Redis on a bad day.

proxy = await TcpProxy.to("127.0.0.1", 3306)
proxy.refuse()        connections are cut and new ones refused, as when the server is stopped
proxy.swallow()       connections stay and nothing passes, as when a cable is pulled
proxy.lose_answers()  what is asked arrives, and the answer is cut off after some bytes
proxy.delay = 0.5     what is asked arrives late
proxy.restore()
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class TcpProxy:
    """Listens on a port of its own as long as it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answer_bytes: int | None = None
        self.port = 0
        self.delay = 0.0

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refuse(self) -> None:
        """Cut every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    def swallow(self) -> None:
        """Let nothing pass any more."""
        self._passing.clear()

    def lose_answers(self, after: int = 20) -> None:
        """Let questions pass, cut every connection after so many bytes of its first answer."""
        self._answer_bytes = after

    async def restore(self) -> None:
        """Work again, on the same port."""
        self._passing.set()
        self._answer_bytes = None
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        for source, sink, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._pipe(source, sink, answers=answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(65536):
                await self._passing.wait()
                if not answers:
                    await asyncio.sleep(self.delay)
                cut = answers and self._answer_bytes is not None
                sink.write(data[: self._answer_bytes] if cut else data)
                await sink.drain()
                if cut:
                    break
        sink.transport.abort()
        self._writers.discard(sink)
