"""Reproducible randomness: one stream per subject, so that a change to one leaves the others as they were."""

from __future__ import annotations

import random

SEED = 42


def stream(subject: str) -> random.Random:
    """Return the random numbers of one subject, the same in every run, process and Python version.

    A string seed is hashed with SHA-512 by `random`, so PYTHONHASHSEED plays no part.
    """
    return random.Random(f"{SEED}:{subject}")
