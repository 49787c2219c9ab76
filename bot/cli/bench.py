"""`daogou bench`: figures about this installation, printed and not judged.

bench start   seconds until the demo server is ready, and its memory then and after the sample questions
bench ask     milliseconds of the five sample questions, the first time and the median of the next ones
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bot.assistant import Assistant, Question
from bot.config import Settings
from bot.runtime import NoTenant, open_runtime

SAMPLES = (
    "最近7天各门店GMV、客单价、订单数，按天趋势",
    "这周复购率为什么下降了",
    "给高价值老客做一个促复购活动，预算3万，7天",
    "给王女士写个生日祝福",
    "上海今天天气提醒",
)
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/sandbox")
READY_SECONDS = 120.0
EPILOG = """\
例子：
  daogou bench start                 演示服务多久就绪、占多少内存（先用 make demo 生成数据）
  daogou bench ask --repeat 20       五个样例问题各要多少毫秒
  daogou bench ask --json
"""
NOT_STARTED = "演示服务没有起来：\n{said}"
START = "就绪 {ready:.2f} 秒；内存 {idle:.0f} MB，预热后 {warm:.0f} MB，问过五个样例后 {busy:.0f} MB"
LINE = "首次 {first:7.1f} ms   中位 {median:7.1f} ms   最慢 {slowest:7.1f} ms   {question}"
LINUX_ONLY = "内存只能在 Linux 上量。"
PAGE = 4096
WARM_SECONDS = 8.0


class BenchFailed(Exception):
    """What was to be measured does not run; the message says what it said."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its two measurements."""
    parser = commands.add_parser(
        "bench",
        help="量一量：启动、内存、样例问题",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("start", "ask"))
    parser.add_argument("--repeat", type=int, default=10, metavar="N", help="每个问题问几遍（默认 10）")
    parser.add_argument("--json", action="store_true", help="输出 JSON")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Measure and print; 1 when the thing to be measured does not run."""
    try:
        lines, figures = await (_start() if args.what == "start" else _ask(settings, args.repeat))
    except (BenchFailed, NoTenant) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures, ensure_ascii=False) if args.json else "\n".join(lines))
    return 0


async def _ask(settings: Settings, repeat: int) -> tuple[list[str], object]:
    """Ask in this process, as `daogou ask` does; the first time includes what is loaded when first needed."""
    async with open_runtime(settings) as runtime:
        assistant = runtime.tenant("demo" if "demo" in runtime.tenants else None).assistant
        figures = [await _time(assistant, question, repeat) for question in SAMPLES]
    return [LINE.format(**figure) for figure in figures], figures


async def _time(assistant: Assistant, question: str, repeat: int) -> dict[str, object]:
    spent = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        await assistant.ask(Question(question))
        spent.append((time.perf_counter() - start) * 1000)
    later = spent[1:] or spent
    return {"question": question, "first": spent[0], "median": statistics.median(later), "slowest": max(later)}


async def _start() -> tuple[list[str], object]:
    """Start the demo server as a process of its own and look at its memory."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--demo", "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        address = await _address(process)
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


async def _address(process: asyncio.subprocess.Process) -> str:
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
