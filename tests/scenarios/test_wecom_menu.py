"""`daogou wecom menu` against a WeCom on a real port."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.assistant import Question
from bot.cli import build_parser
from bot.cli.wecom import run
from bot.config import Settings, TenantSettings
from bot.platforms.base import Refused
from bot.platforms.wecom.menu import DEFAULT_MENU, BadMenu, check
from bot.platforms.wecom.platform import WecomPlatform
from tests.demo_server import DemoServer
from tests.fakes.wecom import MENU_PATH, Clock, FakeWecom

CLICK = {"type": "click", "name": "今日任务", "key": "我的任务"}


@pytest.fixture
async def wecom() -> AsyncIterator[FakeWecom]:
    async with FakeWecom(Clock()).running() as running:
        yield running


async def daogou(wecom: FakeWecom, *words: str, tenants: tuple[str, ...] = ("acme",)) -> int:
    """Run `daogou wecom menu` with these words and return its exit code."""
    args = build_parser().parse_args(["wecom", "menu", *words])
    return await run(args, Settings(tenants={key: TenantSettings(wecom=wecom.settings) for key in tenants}))


def keys_of(menu: Any) -> list[str]:
    return [sub["key"] for top in menu["button"] for sub in top["sub_button"]]


def with_buttons(*buttons: Any) -> dict[str, Any]:
    return {"button": list(buttons)}


async def test_the_menu_that_comes_with_us_is_put_up_and_read_back(
    wecom: FakeWecom, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await daogou(wecom) == 0
    assert "  今日任务 → 我的任务" in capsys.readouterr().out
    assert wecom.cloud.menus.shown == DEFAULT_MENU["button"]
    assert await daogou(wecom, "--show") == 0
    assert json.loads(capsys.readouterr().out) == DEFAULT_MENU


async def test_what_is_shown_can_be_put_up_again(
    wecom: FakeWecom, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await daogou(wecom)
    capsys.readouterr()
    await daogou(wecom, "--show")
    (tmp_path / "menu.json").write_text(capsys.readouterr().out, "utf-8")
    assert await daogou(wecom, "--file", str(tmp_path / "menu.json")) == 0


async def test_a_menu_of_ones_own_replaces_it(wecom: FakeWecom, tmp_path: Path) -> None:
    own = with_buttons(CLICK, {"type": "view", "name": "官网", "url": "https://example.invalid"})
    (tmp_path / "menu.json").write_text(json.dumps(own), "utf-8")
    assert await daogou(wecom, "--file", str(tmp_path / "menu.json")) == 0
    assert wecom.cloud.menus.shown == own["button"]


async def test_a_dry_run_changes_nothing(wecom: FakeWecom, capsys: pytest.CaptureFixture[str]) -> None:
    assert [await daogou(wecom, "--dry-run"), await daogou(wecom, "--delete", "--dry-run")] == [0, 0]
    assert wecom.calls == []
    assert capsys.readouterr().out.count("（预演，没有改动）") == 2


async def test_a_menu_is_taken_away(wecom: FakeWecom, capsys: pytest.CaptureFixture[str]) -> None:
    await daogou(wecom)
    assert await daogou(wecom, "--delete") == 0
    assert await daogou(wecom, "--show") == 1
    assert capsys.readouterr().err == "没有成功：应用还没有菜单（46003）\n"


async def test_a_refusal_is_said_with_its_reason(wecom: FakeWecom, capsys: pytest.CaptureFixture[str]) -> None:
    wecom.fail[MENU_PATH].append({"errcode": 60020, "errmsg": "not allow to access from your ip"})
    assert await daogou(wecom) == 1
    assert capsys.readouterr().err == "没有成功：服务器 IP 不在企业可信 IP 里（60020）\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "读不了"),
        (b"{", "不是有效的 JSON：第 1 行第 2 列附近"),
        (b"\xff", "不是 UTF-8 编码"),
        (b"[]", "里要是一个 {…}"),
        (b"{}", "1 到 3 个一级菜单，现在有 0 个"),
    ],
)
async def test_a_file_that_is_no_menu_is_explained(
    wecom: FakeWecom, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    path = tmp_path / "menu.json"
    if content is not None:
        path.write_bytes(content)
    assert await daogou(wecom, "--file", str(path)) == 2
    assert said in capsys.readouterr().err
    assert wecom.calls == []


async def test_the_company_must_be_clear(wecom: FakeWecom, capsys: pytest.CaptureFixture[str]) -> None:
    assert await daogou(wecom, tenants=("acme", "best")) == 2
    assert await daogou(wecom, "--tenant", "other", tenants=("acme", "best")) == 2
    assert await run(build_parser().parse_args(["wecom", "menu"]), Settings()) == 2
    said = capsys.readouterr().err
    assert all(words in said for words in ("用 --tenant 指定：acme、best", "没有企业「other」", "没有配置企业微信应用"))
    assert await daogou(wecom, "--tenant", "best", tenants=("acme", "best")) == 0


BAD: list[tuple[dict[str, Any], str, int]] = [
    (with_buttons(*[CLICK] * 4), "1 到 3 个一级菜单，现在有 4 个", 40016),
    (with_buttons({**CLICK, "name": "六个字的菜单"}), "的名字有 18 字节（一个汉字 3 字节），最多 16 字节", 40018),
    (with_buttons({**CLICK, "name": ""}), "一级菜单「」没有 name", 40018),
    (with_buttons({**CLICK, "key": ""}), "没有 key", 40019),
    (with_buttons({**CLICK, "key": "问" * 43}), "的 key 有 129 字节，最多 128 字节", 40019),
    (with_buttons({"type": "view", "name": "官网", "url": "www.example.invalid"}), "的 url 要以 http", 40020),
    (with_buttons({**CLICK, "type": "scan"}), 'type 要是 "click"', 40017),
    (with_buttons({"name": "更多", "sub_button": []}), "1 到 5 个子菜单，现在有 0 个", 40023),
    (with_buttons({"name": "更多", "sub_button": [CLICK] * 6}), "1 到 5 个子菜单，现在有 6 个", 40023),
    (
        with_buttons({"name": "更多", "sub_button": [{**CLICK, "name": "十四个字的子菜单名字真的太长"}]}),
        "42 字节",
        40025,
    ),
    (with_buttons({"name": "更多", "sub_button": [{**CLICK, "type": ""}]}), 'type 要是 "click"', 40024),
    (with_buttons({"name": "更多", "sub_button": [{"name": "再", "sub_button": [CLICK]}]}), "不能再有菜单", 40022),
]


@pytest.mark.parametrize(("menu", "said", "code"), BAD)
async def test_what_wecom_would_refuse_is_named_here(
    wecom: FakeWecom, menu: dict[str, Any], said: str, code: int
) -> None:
    with pytest.raises(BadMenu) as caught:
        check(menu)
    assert said in str(caught.value)
    async with httpx.AsyncClient() as http:
        with pytest.raises(Refused, match=str(code)):
            await WecomPlatform(wecom.settings, http).create_menu(menu)


def test_every_fault_is_named_at_once() -> None:
    menu = deepcopy(dict(DEFAULT_MENU))
    menu["button"] = [{"name": ""}, "今天", {**CLICK, "key": "问" * 50}]
    with pytest.raises(BadMenu) as caught:
        check(menu)
    assert len(str(caught.value).splitlines()) == 4


def test_the_menu_that_comes_with_us_is_a_good_one() -> None:
    check(DEFAULT_MENU)


async def test_every_sentence_of_the_menu_is_understood(demo: DemoServer) -> None:
    assistant = demo.runtime.tenant().assistant
    intents = {sentence: (await assistant.ask(Question(sentence)))["intent"] for sentence in keys_of(DEFAULT_MENU)}
    assert intents == {
        "我的任务": "tasks",
        "今天天气提醒": "weather",
        "最近有什么节日": "holiday",
        "这周有哪些会员过生日": "birthday",
        "昨天各门店GMV、客单价、订单数": "report",
        "最近7天各门店GMV、客单价、订单数，按天趋势": "report",
        "本月GMV": "report",
        "这周复购率为什么下降了": "diagnose",
        "给高价值老客做一个促复购活动，预算3万，7天": "plan",
        "我是谁": "help",
        "/帮助": "help",
    }
