"""Which characters pictures can show, and how wide they are."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import pytest
from faker.providers.address.zh_CN import Provider as Addresses
from faker.providers.person.zh_CN import Provider as Persons

from bot.cards.font import BOLD, REGULAR, UnreadableFont, read_font, stand_ins
from bot.cards.lettering import drawable, fitted, missing_glyphs, width_of
from db.seed import chain, coupons, goods

NOWHERE = Path("/nowhere/none.ttf")
CATALOGUE = Path(inspect.getfile(chain)).parents[2] / "knowledge/catalogue.toml"


@pytest.mark.parametrize("module", [chain, goods, coupons, Persons, Addresses])
def test_every_seeded_name_can_be_drawn(module: ModuleType | type) -> None:
    assert missing_glyphs(inspect.getsource(module)) == set()


def test_every_heading_and_rare_names_can_be_drawn() -> None:
    assert missing_glyphs(CATALOGUE.read_text("utf-8")) == set()
    assert missing_glyphs("镕堃喆㐂頔贇囍號 ￥¥€：，。！？（）「」《》·…—↑↓→←✓★℃㎡①⑩ àéü") == set()


def test_marks_without_a_shape_are_not_missed() -> None:
    assert missing_glyphs("王\u200b\ufe0f\n\u3000\u00a0女士") == set()
    assert missing_glyphs("好👍") == {"👍"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("王女士 \n 金卡\x00\ud800", "王女士 金卡"),
        ("很满意👍🏽", "很满意"),
        ("👨‍👩‍👧‍👦 一家", "一家"),
        ("✅ 已完成 ❌", "✓ 已完成 ×"),
        ("👍", "〓"),
        ("𠮷田", "〓田"),
        ("e\u0301te\u0301", "été"),
        ("1️⃣ 首单", "1 首单"),
        ("", ""),
    ],
)
def test_what_nobody_draws_is_replaced_and_never_a_box(text: str, shown: str) -> None:
    assert drawable(text, ()) == shown


def test_an_installed_font_stands_in_for_what_ours_lacks() -> None:
    [font] = stand_ins({"〓", "👍"}, (NOWHERE, BOLD))
    assert font.path == BOLD
    assert list(stand_ins({"👍"}, (BOLD,))) == []


def test_widths_are_those_of_the_font() -> None:
    assert width_of("中", 36) == 36
    assert width_of("0123456789", 36) == 200  # 0.555 each, on whole pixels
    assert width_of("中文", 30) == width_of("中", 30) * 2
    assert width_of("8", 100, bold=True) > width_of("8", 100)


def test_text_is_shortened_to_its_room() -> None:
    assert fitted("羊绒双面呢大衣", 36 * 7, 36) == "羊绒双面呢大衣"
    short = fitted("羊绒双面呢大衣", 36 * 5, 36)
    assert short == "羊绒双面…"
    assert width_of(short, 36) <= 36 * 5


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"not a font at all")
    with pytest.raises(UnreadableFont):
        read_font(tmp_path / "a.ttf")
    (tmp_path / "b.ttf").write_bytes(REGULAR.read_bytes()[:3000])
    with pytest.raises(UnreadableFont):
        read_font(tmp_path / "b.ttf")
    assert list(stand_ins({"中"}, (tmp_path / "a.ttf", tmp_path / "c.ttf"))) == []
