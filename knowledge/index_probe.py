"""Open a Chroma directory, count and query each collection, and exit 0; run as a process of its own.

A directory damaged by a second writer makes Chroma hang or crash the whole process, so nobody opens one that
this file has not opened before.
"""

from __future__ import annotations

import sys


def probe(directory: str) -> None:
    """Read something of every collection; whatever is wrong raises, hangs or crashes here."""
    from chromadb import PersistentClient  # noqa: PLC0415 - half a second and 60 MB
    from chromadb.config import Settings  # noqa: PLC0415

    client = PersistentClient(directory, Settings(anonymized_telemetry=False))
    for collection in client.list_collections():
        if collection.count():
            known = collection.get(limit=1, include=["embeddings"])["embeddings"]
            collection.query(query_embeddings=known, n_results=1)


if __name__ == "__main__":
    probe(sys.argv[1])
