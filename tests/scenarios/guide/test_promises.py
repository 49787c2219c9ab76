"""What the guide promises beside the first answer: groups, demo figures, two platforms at once, what goes wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from bot.answering import NOT_BOUND, OUTSIDER
from bot.config import load_settings
from bot.platforms.aibot.greeting import WELCOME
from bot.platforms.dingtalk.errors import CODES
from bot.recording import ASK_ALONE
from bot.server import build_app
from bot.web.errors import NOT_ALLOWED, NOT_FOUND
from tests import guide
from tests.fakes.aibot import AES_KEY, TOKEN, FakeAibot
from tests.fakes.dingtalk import fake_dingtalk
from tests.scenarios.guide.desk import Desk, reads
from tests.scenarios.guide.groups import Group, dingtalk_group, wecom_group
from tests.scenarios.guide.phones import WHO, DingtalkStreamPhone, dingtalk_stream, now, wecom_app

STRANGER = NOT_BOUND.splitlines()[0]
HEAD = "姓名,角色,门店,手机,企业微信,钉钉\n"
IN_BOTH = f"{HEAD}王店长,总部,,,{WHO},{WHO}\n"


@pytest.mark.parametrize(("chapter", "opened"), [("4 ", wecom_group), ("7 ", dingtalk_group)], ids=["4", "7"])
async def test_a_notice_arrives_in_the_group(
    chapter: str, opened: Callable[[], AbstractAsyncContextManager[Group]], desk: Desk
) -> None:
    chosen = guide.section(chapter)
    async with opened() as group, desk.following(chosen, group.account):
        await desk.types(chosen.block("sh").strip())
        await reads(group.screen, "今天的目标是 3 万")


async def test_two_platforms_in_one_configuration_know_one_person_by_the_list(desk: Desk) -> None:
    (desk.folder / "员工.csv").write_text(IN_BOTH, "utf-8")
    async with (
        wecom_app() as wecom,
        dingtalk_stream() as dingtalk,
        desk.following(guide.section("写配置"), {**wecom.account, **dingtalk.account}) as base,
    ):
        await desk.types("daogou staff import 员工.csv")
        await wecom.check(f"{base}/wecom/acme/app")
        await dingtalk.check("")
        for phone in (wecom, dingtalk):
            await phone.say("/我是谁")
            await reads(phone.screen, "您是王店长，总部")


async def test_the_demo_chain_answers_with_figures_on_a_real_phone(desk: Desk, seeded_sqlite_path: Path) -> None:
    (desk.folder / "var").mkdir()
    shutil.copyfile(seeded_sqlite_path, desk.folder / "var" / "daogou.db")
    acme = guide.section("1 ")
    demo = replace(acme, text=acme.text.replace("acme", "demo"))
    async with wecom_app() as phone:
        account = {name.replace("ACME", "DEMO"): value for name, value in phone.account.items()}
        async with desk.following(demo, account) as base:
            await phone.check(base + demo.paths[0])
            people = await desk.types("daogou staff --tenant demo list")
            (head_office,) = re.findall(r"^ *(\d+) .*总部", people, re.MULTILINE)[:1]
            code = re.findall(r"\d{6}", await desk.types(f"daogou staff --tenant demo code {head_office}"))[0]
            await phone.say(f"绑定 {code}")
            await reads(phone.screen, "绑定好了")
            await phone.say("最近7天GMV")
            await reads(phone.screen, "GMV ¥")


async def test_a_robot_that_was_never_published_serves_nobody(desk: Desk) -> None:
    async with fake_dingtalk() as cloud:
        phone = DingtalkStreamPhone(cloud)
        async with desk.following(guide.section("5 "), phone.account):
            await phone.check("")
            await cloud.cloud.say(WHO, "你好", senderStaffId="")
            await reads(phone.screen, OUTSIDER)


async def test_with_a_wrong_robot_code_words_are_answered_and_pushes_fail(desk: Desk) -> None:
    (desk.folder / "员工.csv").write_text(IN_BOTH, "utf-8")
    async with dingtalk_stream() as phone:
        account = {**phone.account, "DAOGOU_TENANTS__ACME__DINGTALK__ROBOT_CODE": "dingother"}
        async with desk.following(guide.section("5 "), account):
            await phone.check("")
            await desk.types("daogou staff import 员工.csv")
            await phone.say("/我是谁")
            await reads(phone.screen, "您是王店长")
            await desk.types("daogou notice 早上好 --everyone")
            failed = await desk.types_until("daogou outbox list", "失败")
    assert CODES["invalidParameter.robotCode.notExsit"]().reason in failed


async def test_an_aibot_greets_and_asks_strangers_in_a_group_to_come_alone(desk: Desk) -> None:
    chapter = guide.section("2 ")
    async with FakeAibot(now).running() as aibot:
        values = {"TOKEN": TOKEN, "AES_KEY": AES_KEY, "BASE_URL": aibot.base}
        account = {f"DAOGOU_TENANTS__ACME__AIBOT__{name}": value for name, value in values.items()}
        async with desk.following(chapter, account) as base:
            aibot.target = base + chapter.paths[0]
            assert await aibot.enter(WHO) == WELCOME.format(name="店小二")
            said = await aibot.follow(await aibot.say(WHO, "最近7天GMV", chat="chat1"))
            assert said.text == ASK_ALONE
        assert aibot.faults == []


async def test_the_address_tells_by_its_answer_where_a_request_got_to(desk: Desk) -> None:
    (asked,) = guide.section("先看四个地方").paths
    async with (
        wecom_app() as phone,
        httpx.AsyncClient(trust_env=False) as http,
        desk.following(guide.section("1 "), phone.account) as base,
    ):
        assert (await http.get(base + asked)).status_code == 400
        elsewhere = await http.get(base + asked.replace("acme", "other"))
        assert (elsewhere.status_code, elsewhere.json()["error"]) == (404, NOT_FOUND)
        robot = await http.get(f"{base}/dingtalk/acme/robot")
        assert (robot.status_code, robot.json()["error"]) == (405, NOT_ALLOWED.format(method="GET"))


async def test_every_path_it_names_is_a_route(desk: Desk) -> None:
    (desk.folder / "config.toml").write_text(guide.section("4 ").block("toml"), "utf-8")
    runner = web.AppRunner(app := build_app(load_settings()))
    await runner.setup()
    routes = {resource.canonical.replace("{tenant}", "acme") for resource in app.router.resources()}
    await runner.cleanup()
    named = {*guide.whole().paths, *guide.inline(r"/(?!opt|etc)[a-z/]+")}
    assert named >= {"/wecom/acme/app", "/wecom/acme/aibot", "/dingtalk/acme/robot", "/dingtalk/acme/card", "/readyz"}
    assert {path for path in named if not any(is_at(route, path) for route in routes)} == set()


def is_at(route: str, path: str) -> bool:
    """Whether a route has this path or stands below it; the demo chain's addresses are those of any other."""
    path = path.replace("/demo/", "/acme/").rstrip("/")
    return route == path or route.startswith(f"{path}/")
