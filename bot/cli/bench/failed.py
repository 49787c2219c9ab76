"""The one error of the measurements."""

from __future__ import annotations


class BenchFailed(Exception):
    """What was to be measured does not run; the message says what it said."""
