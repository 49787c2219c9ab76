"""What the guide tells to type and to write is right: configurations load, commands parse, links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli import build_parser
from bot.cli.staff_file import read_staff
from bot.config import Settings, TenantSettings, load_settings
from tests import guide
from tests.unit.test_config import keys_of_model

ROOT = guide.DOCS.parent
BEGINNINGS = ("README.md", "README.zh-CN.md", "config.example.toml")
KEYS = keys_of_model(Settings)
SECRETS = guide.section("密钥放哪里")


def load(text: str, folder: Path) -> Settings:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return load_settings(path)


def channels(tenant: TenantSettings) -> Iterator[str]:
    """What is configured, with how it is reached."""
    if tenant.aibot:
        yield f"aibot {tenant.aibot.mode}"
    if tenant.dingtalk:
        yield "dingtalk stream" if tenant.dingtalk.stream else "dingtalk http"
    yield from (name for name in ("wecom", "wecom_groups", "dingtalk_groups") if getattr(tenant, name))


@pytest.mark.parametrize("text", [block for block in guide.whole().blocks("toml") if block != SECRETS.block("toml")])
def test_every_configuration_loads(text: str, tmp_path: Path) -> None:
    assert list(load(text, tmp_path).tenants) == ["acme"]


@pytest.mark.parametrize(
    ("chapter", "channel"),
    [
        ("1 ", "wecom"),
        ("2 ", "aibot url"),
        ("3 ", "aibot socket"),
        ("4 ", "wecom_groups"),
        ("5 ", "dingtalk stream"),
        ("6 ", "dingtalk http"),
        ("7 ", "dingtalk_groups"),
    ],
)
def test_each_chapter_configures_its_own_channel(chapter: str, channel: str, tmp_path: Path) -> None:
    settings = load(guide.section(chapter).block("toml"), tmp_path)
    assert list(channels(settings.tenants["acme"])) == [channel]


def test_the_configuration_without_secrets_takes_them_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in SECRETS.block("sh").splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    acme = load(SECRETS.block("toml"), tmp_path).tenants["acme"]
    assert list(channels(acme)) == ["dingtalk stream", "wecom", "wecom_groups"]
    assert acme.wecom
    assert acme.wecom.secret.get_secret_value() == "应用的Secret"


@pytest.mark.parametrize("words", guide.commands(), ids=" ".join)
def test_every_command_can_be_typed(words: list[str]) -> None:
    build_parser().parse_args(words)


def test_the_list_of_staff_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "员工.csv"
    path.write_text(guide.section("认识第一个人").block("csv"), "utf-8")
    people = [line for _, line, _ in read_staff(path, str)]
    assert [person.role for person in people] == ["hq", "clerk"]
    assert all(person.mobile_digest or person.accounts for person in people)


def test_every_key_it_names_is_one() -> None:
    named = guide.inline(r"(?:server|database|spool|cluster|knowledge|llm|weather|crm|schedule)\.[a-z_]+")
    assert named
    assert set(named) <= KEYS
    of_channels = {key.rpartition(".")[2] for key in KEYS if key.startswith("tenants.*.")}
    assert set(re.findall(r"→ `([a-z_]+)`", guide.whole().text)) <= of_channels


@pytest.mark.parametrize("path", [*guide.PAGES, *(ROOT / name for name in BEGINNINGS[:2])], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in guide.links(path):
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve()
        assert found.exists(), link
        assert not anchor or anchor in guide.anchors(found), link


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_guide_is_found_from_where_one_begins(name: str) -> None:
    assert "docs/platforms.zh-CN.md" in (ROOT / name).read_text("utf-8")
