"""An empty folder on the newcomer's server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import guide
from tests.scenarios.guide.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """The folder, with the list of staff as the guide shows it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "员工.csv").write_text(guide.section("认识第一个人").block("csv"), "utf-8")
    return Desk(tmp_path, monkeypatch, capsys)
