"""Where the servers of these tests come from: one process per test run that forks them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process. `handle` is a file descriptor that can be read from once it has ended."""

    pid: int
    handle: int

    @property
    def alive(self) -> bool:
        return not select.select([self.handle], [], [], 0)[0]


class Forks:
    """Asks the forking process for a server; one question at a time, answered at once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, settings: Path, log: Path, deadly: tuple[object, ...] = ()) -> Child:
        """Return a new server process."""
        request = {"settings": str(settings), "log": str(log), "deadly": [str(word) for word in deadly]}
        pid = self._ask(request)["pid"]
        return Child(pid, os.pidfd_open(pid))

    def ended(self, child: Child) -> int:
        """Return the exit code of a process that has ended."""
        os.close(child.handle)
        code: int = self._ask({"ended": child.pid})["code"]
        return code

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def forking() -> Iterator[Forks]:
    """Run the forking process; what it has forked ends with it."""
    command = [sys.executable, "-m", "tests.process.echo_forks"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()
