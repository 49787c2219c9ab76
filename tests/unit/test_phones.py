from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.phones import KeptFile, Phones


@pytest.fixture
def phones() -> Iterator[Phones]:
    made = Phones()
    yield made
    made.close()


def text(words: str) -> dict[str, object]:
    return {"msgtype": "text", "text": {"content": words}}


def test_a_screen_shows_its_own_bubbles_oldest_first(phones: Phones) -> None:
    phones.show("wecom", "lily", "m1", text("您好"))
    phones.show("wecom", "lily", "m2", text("在"), "out")
    phones.show("dingtalk", "lily", "m3", text("别的平台"))
    phones.show("wecom", "boss", "m4", text("别的人"))
    assert [(one.message_id, one.direction) for one in phones.screen("wecom", "lily")] == [("m1", "in"), ("m2", "out")]


def test_a_known_message_is_replaced_in_its_place(phones: Phones) -> None:
    phones.show("wecom", "lily", "card", text("上架"))
    phones.show("wecom", "lily", "later", text("后来的"))
    phones.show("wecom", "lily", "card", text("已上架"))
    first, last = phones.screen("wecom", "lily")
    assert (first.message_id, first.payload, last.message_id) == ("card", text("已上架"), "later")
    assert first.updated_at >= first.shown_at


def test_a_long_chat_shows_its_end(phones: Phones) -> None:
    for number in range(60):
        phones.show("wecom", "lily", f"m{number}", text(str(number)))
    shown = phones.screen("wecom", "lily", limit=50)
    assert [shown[0].message_id, shown[-1].message_id] == ["m10", "m59"]


def test_every_copy_of_a_message_is_found(phones: Phones) -> None:
    for user in ("lily", "boss"):
        phones.show("dingtalk", user, "card", text("大家好"))
    assert [one.user_id for one in phones.find("dingtalk", "card")] == ["lily", "boss"]
    assert phones.find("wecom", "card") == []


def test_listeners_hear_which_phone_changed(phones: Phones) -> None:
    heard: list[tuple[str, str]] = []
    phones.listeners.append(lambda platform, user: heard.append((platform, user)))
    phones.show("wecom", "lily", "m1", text("您好"))
    assert heard == [("wecom", "lily")]


def test_screens_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "neu" / "phones.db"
    before = Phones(path)
    before.show("wecom", "lily", "m1", text("emoji 🎂 与 \u2028"))
    before.close()
    after = Phones(path)
    assert after.screen("wecom", "lily")[0].payload == text("emoji 🎂 与 \u2028")
    after.close()


def test_a_file_is_kept_over_a_restart_and_by_its_id(tmp_path: Path) -> None:
    file = KeptFile("m1", "image", "a.png", b"\x89PNG", 1.0)
    before = Phones(tmp_path / "phones.db")
    before.keep(file)
    before.close()
    after = Phones(tmp_path / "phones.db")
    assert (after.kept("m1"), after.kept("m2")) == (file, None)
    after.close()
