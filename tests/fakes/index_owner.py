"""A process that owns an index: fills it from its arguments, says so, and goes on until it is killed.

python -m tests.fakes.index_owner DIRECTORY COUNT [--writing]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from knowledge.vector_index import ChromaDirectory, Entry

DIMS = 16


def entry(number: int) -> Entry:
    """Return an entry whose vector depends on the number alone."""
    vector = np.random.default_rng(number).standard_normal(DIMS).astype(np.float32)
    return Entry(
        f"doc-{number}", f"digest-{number}", vector / np.linalg.norm(vector), ("even" if number % 2 == 0 else "odd",)
    )


async def own(directory: Path, count: int, *, writing: bool) -> None:
    """Put `count` entries in, print `ready`, then wait, or write on, for ever."""
    chroma = await ChromaDirectory.open(directory)
    index = await chroma.index("kb-test")
    await index.upsert([entry(number) for number in range(count)])
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.01)
        if writing:
            await index.upsert([entry(number) for number in range(count)])


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), int(sys.argv[2]), writing="--writing" in sys.argv))
