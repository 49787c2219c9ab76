"""The first five minutes of a newcomer, in a real browser against the real server."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.sandbox import ANSWER_MS, DINGTALK, PLAN, REPORT, WECOM, Demo, Handset, running_demo, visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LAUNCHED = "已上架"


async def test_a_plan_is_launched_once_however_often_it_is_pressed(page: Page, demo: Demo) -> None:
    for phone in await visit(page, demo):
        await phone.tap(PLAN)
        await phone.button("上架").dblclick(timeout=ANSWER_MS)
        await phone.shows(LAUNCHED)
        await expect(phone.log.get_by_role("button", name="上架", exact=True)).to_have_count(0)
    assert demo.coupons() == ["published"]


async def test_a_launched_card_names_person_time_and_coupon(page: Page, demo: Demo) -> None:
    wecom, _ = await visit(page, demo)
    await wecom.tap(PLAN)
    await wecom.button("上架").click(timeout=ANSWER_MS)
    name = (await page.get_by_role("radio", name="店长").inner_text()).split("\n")[1].split(" ")[0]
    await wecom.shows(name)
    await expect(wecom.answers().last).to_contain_text("已上架 · 券 ", timeout=ANSWER_MS)
    await expect(wecom.button("已处理")).to_be_disabled()


async def test_cards_of_before_a_restart_still_work(page: Page, seeded_sqlite_path: Path, tmp_path: Path) -> None:
    database, state = tmp_path / "daogou.db", tmp_path / "state"
    shutil.copyfile(seeded_sqlite_path, database)
    async with running_demo(database, state) as before:
        for phone in await visit(page, before):
            await phone.tap(PLAN)
            await expect(phone.button("上架")).to_be_visible(timeout=ANSWER_MS)
    async with running_demo(database, state) as after:
        for phone in await visit(page, after):
            await phone.button("上架").click(timeout=ANSWER_MS)
            await phone.shows(LAUNCHED)
        assert after.coupons() == ["published"]


async def test_a_report_shows_the_numbers_the_api_gives(page: Page, demo: Demo) -> None:
    wecom, dingtalk = await visit(page, demo, "总部")
    await wecom.tap(REPORT)
    await dingtalk.tap(REPORT)
    answer = await _ask(demo, REPORT)
    assert len(answer["report"]["rows"]) == 70
    for phone in (wecom, dingtalk):
        await expect(phone.answers().first).to_be_visible(timeout=ANSWER_MS)
        await phone.shows(_first_line_with_digits(answer["answer"]))


async def test_the_morning_push_arrives_live_and_a_task_is_finished(page: Page, demo: Demo) -> None:
    phones = await visit(page, demo, "店员")
    await page.get_by_role("button", name="模拟早上 8 点").click()
    phone = await _first_with_answer(phones)
    await expect(phone.node.get_by_role("status")).to_have_text("收到新推送")
    await phone.log.get_by_role("button", name="完成").first.click()
    await phone.shows("已完成 1/")


async def test_both_phones_keep_their_screens_after_a_reload(page: Page, demo: Demo) -> None:
    phones = await visit(page, demo)
    for phone in phones:
        await phone.tap("/帮助")
        await phone.shows("您可以直接这样说")
    await page.reload()
    await expect(page.get_by_role("radio", name="店长")).to_be_checked()
    for phone in phones:
        await phone.shows("您可以直接这样说")
        await expect(phone.mine()).to_have_count(1)


async def test_what_is_typed_is_shown_as_text(page: Page, demo: Demo) -> None:
    typed = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    for phone in await visit(page, demo):
        await phone.type(typed)
        await phone.shows(typed)
        await expect(phone.answers().first).to_be_visible(timeout=ANSWER_MS)
        await expect(phone.log.locator("script, img")).to_have_count(0)
    assert await page.evaluate("window.hacked") is None


async def test_a_narrow_screen_shows_one_phone_and_nothing_runs_over_its_edge(browser: Browser, demo: Demo) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    wecom, dingtalk = await visit(page, demo)
    await wecom.tap(PLAN)
    await expect(wecom.button("上架")).to_be_visible(timeout=ANSWER_MS)
    await wecom.to_the_end()
    await expect(wecom.button("上架")).to_be_in_viewport()
    await expect(dingtalk.node).to_be_hidden()
    await page.get_by_role("tab", name=DINGTALK).click()
    await expect(dingtalk.node).to_be_in_viewport()
    await expect(wecom.node).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await _clipped(page) == []


async def test_a_second_tab_sees_the_chat_live(browser: Browser, page: Page, demo: Demo) -> None:
    wecom, _ = await visit(page, demo)
    other = await browser.new_page()
    mirror, _ = await visit(other, demo)
    await wecom.type("/帮助")
    await mirror.shows("您可以直接这样说")


async def test_the_drawer_shows_what_travelled_without_its_secrets(page: Page, demo: Demo) -> None:
    wecom, dingtalk = await visit(page, demo)
    drawer = page.get_by_role("complementary", name="看看路上走了什么")
    for phone, wire, name in ((wecom, "加密回调", WECOM), (dingtalk, "Stream 帧", DINGTALK)):
        await phone.tap("/帮助")
        await phone.shows("您可以直接这样说")
        if not await drawer.is_visible():
            await page.get_by_role("button", name="看看路上走了什么").click()
        await drawer.get_by_role("radio", name=name).click()
        for pane in (wire, "Update", "Reply", "平台报文"):
            await expect(drawer.get_by_text(pane, exact=True)).to_be_visible()
        await expect(drawer).to_contain_text('"text": "/帮助"')
    await expect(drawer).to_contain_text('"sessionWebhook": "http:/…（已遮盖）"')


async def test_a_draft_is_copied_without_its_heading(page: Page, demo: Demo) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _, dingtalk = await visit(page, demo, "店员")
    await dingtalk.tap("写个生日祝福")
    await dingtalk.button("复制").click(timeout=ANSWER_MS)
    await expect(page.get_by_text("已复制")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "生日快乐" in copied
    assert "会员：" not in copied


async def test_when_the_server_is_gone_the_page_says_so_and_comes_back(page: Page, demo: Demo) -> None:
    wecom, _ = await visit(page, demo)
    await page.context.set_offline(True)
    await wecom.type("在吗")
    await expect(page.get_by_role("alert")).to_contain_text("正在重新连接")
    await expect(wecom.node.get_by_role("textbox")).to_have_value("在吗")
    await page.context.set_offline(False)
    await expect(page.get_by_role("alert")).to_be_hidden(timeout=ANSWER_MS)


async def _ask(demo: Demo, text: str) -> dict[str, dict[str, list[object]]]:
    async with aiohttp.ClientSession() as http, http.post(f"{demo.url}/api/chat", json={"query": text}) as answer:
        assert answer.status == 200
        found: dict[str, dict[str, list[object]]] = await answer.json()
        return found


def _first_line_with_digits(answer: object) -> str:
    lines = [line for line in str(answer).splitlines() if any(char.isdigit() for char in line)]
    return lines[0].replace("**", "").strip()


async def _first_with_answer(phones: tuple[Handset, Handset]) -> Handset:
    """Return the phone a push arrived on; people who have both are written to on one."""
    async with asyncio.timeout(ANSWER_MS / 1000):
        while True:
            for phone in phones:
                if await phone.answers().count():
                    return phone
            await asyncio.sleep(0.05)


async def _clipped(page: Page) -> list[str]:
    """Return visible things that reach beyond the screen's right edge, save in rows that scroll."""
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((node) => !node.closest(".chips") && node.checkVisibility())
            .filter((node) => node.getBoundingClientRect().right > window.innerWidth + 1)
            .map((node) => `${node.tagName}.${node.className}`)"""
    )
    return found
