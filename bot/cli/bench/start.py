"""Seconds until the demo server is ready, and its memory then and later."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bot.cli.bench.ask import SAMPLES
from bot.cli.bench.failed import BenchFailed

ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/(?:sandbox|admin)")
READY_SECONDS = 120.0
NOT_STARTED = "演示服务没有起来：\n{said}"
START = "就绪 {ready:.2f} 秒；内存 {idle:.0f} MB，预热后 {warm:.0f} MB，问过五个样例后 {busy:.0f} MB"
LINUX_ONLY = "内存只能在 Linux 上量。"
PAGE = 4096
WARM_SECONDS = 8.0


async def measure_start() -> tuple[list[str], object]:
    """Start the demo server as a process of its own and look at its memory."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--demo", "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        address = await address_of(process)
        ready = time.perf_counter() - started
        idle = _megabytes(process.pid)
        await asyncio.sleep(WARM_SECONDS)
        warm = _megabytes(process.pid)
        await _chat(address, SAMPLES)
        figures = {"ready": ready, "idle": idle, "warm": warm, "busy": _megabytes(process.pid)}
    finally:
        process.terminate()
        await process.communicate()
    return [START.format(**figures)], figures


async def address_of(process: asyncio.subprocess.Process) -> str:
    """Return where the server says it is."""
    said = ""
    async with asyncio.timeout(READY_SECONDS):
        while process.stdout and (line := (await process.stdout.readline()).decode()):
            said += line
            if match := ADDRESS.search(line):
                return match[1]
    raise BenchFailed(NOT_STARTED.format(said=said))


async def _chat(address: str, questions: Sequence[str]) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
        for question in questions:
            (await client.post("/api/chat", json={"query": question})).raise_for_status()


def _megabytes(pid: int) -> float:
    """Return the resident memory of a process, from Linux' /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError as error:
        raise BenchFailed(LINUX_ONLY) from error
    return pages * PAGE / 2**20
