"""Prints, at the end of a run, how the messages of every fault ended: the lines tests gave to `report`."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print one line for each."""
    lines = [
        f"{report.nodeid.rpartition('/')[2]}: {line}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for line in _lines(report)
    ]
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)


def _lines(report: pytest.TestReport) -> list[str]:
    if report.when != "call":
        return []
    return [str(value) for name, value in report.user_properties if name == "faults"]
