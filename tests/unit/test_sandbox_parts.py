from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox.changes import Changes
from bot.sandbox.journeys import Journey, Journeys
from bot.sandbox.keys import load_keys
from bot.sandbox.masked import mask
from bot.sandbox.phones import Phones

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"response_code": "abcdefghij"}, {"response_code": "abcdef…（已遮盖）"}),
        ({"a": [{"sessionWebhook": "http://x/y"}]}, {"a": [{"sessionWebhook": "http:/…（已遮盖）"}]}),
        ({"data": '{"token": "abcdefghij"}'}, {"data": {"token": "abcdef…（已遮盖）"}}),
        (
            "<ResponseCode><![CDATA[abcdefghij]]></ResponseCode>",
            "<ResponseCode><![CDATA[abcdef…（已遮盖）]]></ResponseCode>",
        ),
        ({"text": "{这不是 JSON", "n": 3, "none": None}, {"text": "{这不是 JSON", "n": 3, "none": None}),
        ({"token": ""}, {"token": ""}),
    ],
)
def test_credentials_are_struck_out_of_what_is_shown(value: object, shown: object) -> None:
    assert mask(value) == shown


def test_keys_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    made = load_keys(tmp_path / "sandbox")
    assert len(made.aes_key) == 43
    assert load_keys(tmp_path / "sandbox") == made
    assert load_keys(tmp_path / "other") != made
    assert stat.S_IMODE((tmp_path / "sandbox" / "keys.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"corp_id": "ww1"}'])
def test_unreadable_keys_are_made_again(tmp_path: Path, broken: str) -> None:
    (tmp_path / "keys.json").write_text(broken, "utf-8")
    assert load_keys(tmp_path) == load_keys(tmp_path)


def test_keys_do_not_show_themselves(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    assert keys.secret not in repr(keys)


async def test_each_watcher_hears_of_a_phone_once_however_often_it_changed() -> None:
    phones = Phones()
    changes = Changes(phones)
    with changes.watch() as one, changes.watch() as other:
        for number in range(3):
            phones.show("wecom", "lily", f"m{number}", {})
        phones.show("dingtalk", "boss", "m", {})
        assert await one.wait(1) == await other.wait(1) == [("wecom", "lily"), ("dingtalk", "boss")]
        assert await one.wait(0.01) == []
    phones.close()


async def test_watchers_end_when_the_server_stops() -> None:
    phones = Phones()
    changes = Changes(phones)
    with changes.watch() as watcher:
        changes.close()
        assert await watcher.wait(5) == []
        assert watcher.closed
    phones.close()


def test_a_journey_is_found_by_the_moment_its_update_was_received() -> None:
    journeys = Journeys()
    for seconds in (0, 60):
        journeys.note(Journey("wecom", "lily", NOW + timedelta(seconds=seconds), {"n": seconds}))
    found = journeys.nearest("wecom", "lily", NOW + timedelta(seconds=60.2))
    assert found is not None
    assert found.wire == {"n": 60}
    assert journeys.nearest("wecom", "boss", NOW) is None
    assert journeys.nearest("wecom", "lily", NOW + timedelta(hours=1)) is None
