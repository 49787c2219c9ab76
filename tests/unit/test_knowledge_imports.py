"""Start-up stays light: naming the rooms loads none of the heavy libraries behind them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD = """
import sys
import handlers.classify, handlers.faq, knowledge.library, knowledge.llm
knowledge.llm.Llm("http://127.0.0.1:9/v1", "sk-test", "any")
print(sorted({"numpy", "openai", "httpx2", "chromadb", "sentence_transformers", "torch"} & set(sys.modules)))
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout == "[]\n"
