"""What DingTalk's phone shows beside text: a drawn table, files, pages to open, a text while it is written."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from playwright.async_api import Page, expect

from bot.sandbox.phones import Phones
from tests.browser.sandbox import ANSWER_MS, REPORT, Demo, visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def put(demo: Demo, message_id: str, bubble: dict[str, Any], user_id: str = "hq1") -> None:
    """Put a bubble on a phone before the page is opened, as the pretend DingTalk keeps it."""
    with closing(Phones(demo.directory / "sandbox" / "phones.db")) as phones:
        phones.show("dingtalk", user_id, message_id, bubble | {"conversationId": "cid"})


async def test_a_large_report_is_a_picture_that_can_be_seen(page: Page, demo: Demo) -> None:
    _, dingtalk = await visit(page, demo, "总部")
    await dingtalk.tap(REPORT)
    picture = dingtalk.log.get_by_role("img", name="图片").first
    await expect(picture).to_be_visible(timeout=ANSWER_MS)
    await expect(picture).to_have_js_property("complete", value=True)
    assert await picture.evaluate("image => image.naturalWidth") > 500
    await dingtalk.shows("口径")


async def test_files_and_pages_are_named_and_opened(page: Page, demo: Demo) -> None:
    put(demo, "m1", {"msgtype": "file", "name": "排班表.xlsx", "size": 20_480})
    links = [{"title": "促销手册", "text": "怎么说", "url": "https://x.cn/1"}, {"title": "坏的", "url": "javascript:1"}]
    put(demo, "m2", {"msgtype": "links", "links": links})
    _, dingtalk = await visit(page, demo, "总部")
    await dingtalk.shows("排班表.xlsx")
    await dingtalk.shows("20 KB")
    await expect(dingtalk.log.get_by_role("link", name="促销手册")).to_have_attribute("href", "https://x.cn/1")
    await expect(dingtalk.log.get_by_role("link", name="坏的")).to_have_count(0)


async def test_a_text_that_is_being_written_says_so(page: Page, demo: Demo) -> None:
    writing = {"msgContent": "第一行<br>第二行", "flowStatus": "2"}
    put(demo, "m1", {"msgtype": "card", "cardParamMap": writing})
    put(demo, "m2", {"msgtype": "card", "cardParamMap": {"msgContent": "", "flowStatus": "1"}})
    put(demo, "m3", {"msgtype": "card", "cardParamMap": {"msgContent": "写完了", "flowStatus": "3"}})
    _, dingtalk = await visit(page, demo, "总部")
    await expect(dingtalk.answers()).to_contain_text(["第一行第二行正在写…", "处理中…", "写完了"])
