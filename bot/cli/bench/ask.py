"""Milliseconds of the sample questions, asked in this process."""

from __future__ import annotations

import statistics
import time

from bot.assistant import Assistant, Question
from bot.config import Settings
from bot.runtime import open_runtime

SAMPLES = (
    "最近7天各门店GMV、客单价、订单数，按天趋势",
    "这周复购率为什么下降了",
    "给高价值老客做一个促复购活动，预算3万，7天",
    "给王女士写个生日祝福",
    "上海今天天气提醒",
)
LINE = "首次 {first:7.1f} ms   中位 {median:7.1f} ms   最慢 {slowest:7.1f} ms   {question}"


async def measure_questions(settings: Settings, repeat: int) -> tuple[list[str], object]:
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
