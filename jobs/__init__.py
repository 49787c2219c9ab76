"""What the bot does by itself: a push is a file here and a line in `PUSHES`."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.due import PushKind
from jobs.evening import run_evening
from jobs.morning import run_morning
from jobs.push import Push

PUSHES: Mapping[PushKind, Push] = {"morning": run_morning, "evening": run_evening}
